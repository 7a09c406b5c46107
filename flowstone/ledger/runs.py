"""The rows of runs: begun, planned, ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from sqlalchemy import Connection, and_, delete, or_, select, update

from flowstone.core.errors import FlowstoneError
from flowstone.core.events import Event
from flowstone.core.plan import Plan
from flowstone.core.table import State
from flowstone.ledger.audit import write_audit
from flowstone.ledger.base import RunRow, Version
from flowstone.ledger.closing import close_run, lock_run
from flowstone.ledger.database import again
from flowstone.ledger.rows import event_row, run_of, run_row
from flowstone.ledger.run_reader import RunReader
from flowstone.ledger.schema import events, plans, run_nodes, runs
from flowstone.ledger.turn import Turn

__all__ = ["Runs"]

_TRIES = 5
_SETTLED = (
    "(run, key_number, node) DO UPDATE SET state = excluded.state, "
    "reason = excluded.reason, error = excluded.error "
    "WHERE flowstone_run_nodes.version IS NULL"
)


class Runs(RunReader):
    """Writes the rows of runs, and reads what is known of them."""

    def begin(self, run: RunRow, news: Sequence[Event] = ()) -> RunRow:
        """Write a run's row before it is started, unless its `user_key` has one.

        Args:
            run: the row.
            news: events to record, where the row is new.

        Returns:
            The row that is there: this one, or the one that has the same key.
        """

        def work(conn: Connection) -> RunRow:
            turn = Turn.take(conn, self._dialect, run.request.pipeline)
            for _ in range(_TRIES):
                self._insert(turn, run, news)
                found = self._find(conn, run)
                if found is not None:
                    return found
                # The row that had the key was taken back in this moment.
            raise AssertionError("unreachable")

        return self._database.transact(work, ask=again)

    def _insert(self, turn: Turn, run: RunRow, news: Sequence[Event] = ()) -> None:
        row = run_row(run, turn.at)
        if turn.dialect.insert_returning(turn.conn, runs, [row], "DO NOTHING", ["id"]):
            told = [event_row(event, turn.at) for event in news]
            turn.dialect.insert(turn.conn, events, told)
            data = {"verb": run.request.verb, "workflow": run.workflow}
            write_audit(
                turn, "run.start", [run.id], actor=run.actor, run=run.id, data=data
            )

    def _find(self, conn: Connection, run: RunRow) -> RunRow | None:
        mine = runs.c.id == run.id
        keyed = and_(
            runs.c.pipeline == run.request.pipeline, runs.c.user_key == run.user_key
        )
        query = select(runs).where(mine if run.user_key is None else or_(mine, keyed))
        # Where both are found, the row of this id is the one that was asked for.
        found = [run_of(row) for row in conn.execute(query).mappings()]
        return min(found, key=lambda row: row.id != run.id, default=None)

    def forget(self, run: str, *, into: str) -> None:
        """Take back the row of a run that joined another one instead.

        Args:
            run: the run that was not started after all.
            into: the run it joined, which has its caller's key from now on.
        """

        def work(conn: Connection) -> None:
            gone = conn.execute(
                delete(runs)
                .where(runs.c.id == run, runs.c.status == "starting")
                .returning(runs.c.pipeline, runs.c.actor, runs.c.user_key)
            ).first()
            if gone is None:
                return
            conn.execute(
                update(runs)
                .where(runs.c.id == into, runs.c.user_key.is_(None))
                .values(user_key=gone.user_key)
            )
            turn = Turn.take(conn, self._dialect, gone.pipeline)
            data = {"into": into}
            write_audit(turn, "run.join", [run], actor=gone.actor, run=into, data=data)

        self._database.transact(work, ask=again)

    def refuse(self, run: str, reason: str) -> None:
        """Say that a run was not started, and why."""

        def work(conn: Connection) -> None:
            refused = conn.execute(
                update(runs)
                .where(runs.c.id == run, runs.c.status == "starting")
                .values(
                    status="not_started",
                    reason=reason,
                    ended_at=self._dialect.clock(conn),
                )
                .returning(runs.c.pipeline, runs.c.actor)
            ).first()
            if refused is not None:
                turn = Turn.take(conn, self._dialect, refused.pipeline)
                data = {"reason": reason}
                write_audit(
                    turn, "run.refuse", [run], actor=refused.actor, run=run, data=data
                )

        self._database.transact(work, ask=again)

    def plan(
        self,
        run: RunRow,
        plan: Plan,
        given: Mapping[int, Version | None],
        news: Sequence[Event],
    ) -> Literal["ours", "there", "ended"]:
        """Write a run's plan, and pin the versions that it takes as they are.

        The run's row is written where it is missing: whoever asked for it may have
        died, or the database may have forgotten.

        Returns:
            Whether the plan is now this one, or was there before; an ended run is not
            begun again.
        """

        def work(conn: Connection) -> Literal["ours", "there", "ended"]:
            turn = Turn.take(conn, self._dialect, run.request.pipeline)
            self._insert(turn, run)
            locked = lock_run(turn, run.id)
            if locked is None or not locked.live:
                return "ended"
            if locked.status != "starting":
                return "there"
            self._plan(turn, run.id, plan, given)
            rows = [event_row(event, turn.at) for event in news]
            self._dialect.insert(conn, events, rows)
            return "ours"

        return self._database.transact(work, ask=again)

    def adopt(self, run: str, plan: Plan) -> bool:
        """Have a run go on by another plan, of the same graph; tell whether it does."""

        def work(conn: Connection) -> bool:
            turn = Turn.take(conn, self._dialect, plan.pipeline)
            locked = lock_run(turn, run)
            if locked is None or not locked.live:
                return False
            self._write_plan(turn, plan)
            conn.execute(update(runs).where(runs.c.id == run).values(plan=plan.digest))
            data = {"plan": plan.digest}
            write_audit(
                turn, "run.moved", [run], actor=locked.actor, run=run, data=data
            )
            return True

        return self._database.transact(work, ask=again)

    def _write_plan(self, turn: Turn, plan: Plan) -> None:
        body = {"digest": plan.digest, "body": plan.body}
        self._dialect.insert(turn.conn, plans, [body], "DO NOTHING")

    def _plan(
        self, turn: Turn, run: str, plan: Plan, given: Mapping[int, Version | None]
    ) -> None:
        conn = turn.conn
        self._write_plan(turn, plan)
        conn.execute(
            update(runs)
            .where(runs.c.id == run)
            .values(status="running", plan=plan.digest, started_at=turn.at)
        )
        rows = [
            {
                "run": run,
                "key_number": 0,
                "node": node,
                "state": int(State.BYPASSED if v is None else State.REUSED),
                "version": None if v is None else v.id,
                "reason": "it has no value" if v is None else "given",
                "error": None,
            }
            for node, v in given.items()
        ]
        self._dialect.insert(conn, run_nodes, rows, "DO NOTHING")

    def note(self, event: Event) -> None:
        """Record an event by itself."""
        self._database.transact(
            lambda conn: self._dialect.insert(
                conn, events, [event_row(event, self._dialect.clock(conn))]
            )
        )

    def end(
        self,
        run: RunRow,
        status: str,
        *,
        settled: Sequence[Mapping[str, object]] = (),
        error: FlowstoneError | None = None,
        news: Sequence[Event] = (),
        reason: str = "",
    ) -> list[Event]:
        """End a run, in one transaction with all that it lets go of.

        Args:
            run: the run.
            status: how it ended.
            settled: rows of cells whose end no step has written yet.
            error: why it failed.
            news: events to record.
            reason: for people.

        Returns:
            The events that were recorded; none where it had ended before.
        """

        def work(conn: Connection) -> list[Event]:
            turn = Turn.take(conn, self._dialect, run.request.pipeline)
            locked = lock_run(turn, run.id)
            if locked is None or not locked.live:
                return []
            self._dialect.insert(conn, run_nodes, settled, _SETTLED)
            return close_run(
                turn, locked, status, error=error, reason=reason, news=news
            )

        return self._database.transact(work)
