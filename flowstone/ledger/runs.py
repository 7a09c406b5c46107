"""The rows of runs: begun, planned, ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, delete, or_, select, update

from flowstone.core.errors import FlowstoneError
from flowstone.core.events import Event
from flowstone.core.plan import Plan
from flowstone.ledger.audit import write_audit
from flowstone.ledger.base import RunRow, Version
from flowstone.ledger.beginning import (
    Along,
    Begun,
    insert_run,
    note_start,
    plan_run,
    write_plan,
)
from flowstone.ledger.closing import close_run, lock_run
from flowstone.ledger.database import again
from flowstone.ledger.dialect import Dialect
from flowstone.ledger.rows import event_row, run_of
from flowstone.ledger.run_reader import RunReader
from flowstone.ledger.schema import events, run_nodes, runs
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
                found = _begun(turn, run, news)
                if found is not None:
                    return found
                # The row that had the key was taken back in this moment.
            raise AssertionError("unreachable")

        return self._database.transact(work, ask=again)

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
        along: Along | None = None,
    ) -> Begun:
        """Write a run's plan, and pin the versions that it takes as they are.

        The run's row is written where it is missing: whoever asked for it may have
        died, or the database may have forgotten.

        Args:
            run: the row to write where it is missing.
            plan: the plan.
            given: the versions of the nodes that it takes as they are.
            news: events to record, where it is begun.
            along: the pack to open with it, where there is to be one. What is not
                known to have been committed is then for another attempt to find out.
        """
        return self._database.transact(
            lambda conn: plan_run(conn, self._dialect, run, plan, given, news, along),
            ask=None if along else again,
        )

    def adopt(self, run: str, plan: Plan) -> bool:
        """Have a run go on by another plan, of the same graph; tell whether it does."""

        def work(conn: Connection) -> bool:
            turn = Turn.take(conn, self._dialect, plan.pipeline)
            locked = lock_run(turn, run)
            if locked is None or not locked.live:
                return False
            write_plan(turn, plan)
            conn.execute(update(runs).where(runs.c.id == run).values(plan=plan.digest))
            data = {"plan": plan.digest}
            write_audit(
                turn, "run.moved", [run], actor=locked.actor, run=run, data=data
            )
            return True

        return self._database.transact(work, ask=again)

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


def _begun(turn: Turn, run: RunRow, news: Sequence[Event]) -> RunRow | None:
    """Write the row of a run; give the one that is there now."""
    names = {
        "of": run.id,
        "pipeline": run.request.pipeline,
        "user_key": run.user_key,
    }
    with turn.together() as send:
        new = insert_run(send, turn, run)
        asked = send.ask(_find, names)
    if new.rows():
        note_start(turn, run, news)
    # Where both are found, the row of this id is the one that was asked for.
    found = map(run_of, asked.records())
    return min(found, key=lambda row: row.id != run.id, default=None)


def _find(_: Dialect) -> Select[*tuple[Any, ...]]:
    # No row has the key of a run that has none.
    keyed = and_(
        runs.c.pipeline == bindparam("pipeline"),
        runs.c.user_key == bindparam("user_key"),
    )
    return select(runs).where(or_(runs.c.id == bindparam("of"), keyed))
