"""The rows of runs: begun, planned, ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, select, update

from flowstone.core.errors import FlowstoneError
from flowstone.core.plan import Plan
from flowstone.core.table import State
from flowstone.ledger.base import Event, RunRow, Version
from flowstone.ledger.closing import LIVE, close_run
from flowstone.ledger.rows import clock, dump, event_row, run_of, run_row
from flowstone.ledger.run_reader import RunReader
from flowstone.ledger.schema import audit, events, plans, run_nodes, runs
from flowstone.ledger.turn import Turn

__all__ = ["Runs"]


class Runs(RunReader):
    """Writes the rows of runs, and reads what is known of them."""

    def begin(self, run: RunRow) -> RunRow:
        """Write a run's row before it is started, unless its `user_key` has one.

        Returns:
            The row that is there: this one, or the one that has the same key.
        """

        def work(conn: Connection) -> RunRow:
            at = clock(conn)
            self._insert(conn, run, at)
            return self._find(conn, run)

        return self._database.transact(work)

    def _insert(self, conn: Connection, run: RunRow, at: datetime) -> None:
        before = conn.execute(select(runs.c.id).where(runs.c.id == run.id)).first()
        self._dialect.insert(conn, runs, [run_row(run, at)], "DO NOTHING")
        if before is None:
            self._dialect.insert(conn, audit, [_begun(run, at)])

    def _find(self, conn: Connection, run: RunRow) -> RunRow:
        query = select(runs).where(runs.c.id == run.id)
        here = conn.execute(query).mappings().first()
        if here is None:
            query = select(runs).where(
                runs.c.pipeline == run.request.pipeline,
                runs.c.user_key == run.user_key,
            )
            here = conn.execute(query).mappings().one()
        return run_of(here)

    def forget(self, run: str) -> None:
        """Take back the row of a run that joined another one instead."""

        def work(conn: Connection) -> None:
            conn.execute(
                delete(runs).where(runs.c.id == run, runs.c.status == "starting")
            )

        self._database.transact(work)

    def refuse(self, run: str, reason: str) -> None:
        """Say that a run was not started, and why."""

        def work(conn: Connection) -> None:
            conn.execute(
                update(runs)
                .where(runs.c.id == run, runs.c.status == "starting")
                .values(status="not_started", reason=reason, ended_at=clock(conn))
            )

        self._database.transact(work)

    def plan(
        self,
        run: RunRow,
        plan: Plan,
        given: Mapping[int, Version | None],
        news: Sequence[Event],
    ) -> bool:
        """Write a run's plan, and pin the versions that it takes as they are.

        The run's row is written where it is missing: whoever asked for it may have
        died, or the database may have forgotten.

        Returns:
            Whether the run is live; an ended one is not begun again.
        """

        def work(conn: Connection) -> bool:
            at = clock(conn)
            self._insert(conn, run, at)
            query = self._dialect.locked(
                select(runs.c.status).where(runs.c.id == run.id)
            )
            status = conn.execute(query).scalar_one()
            if status not in LIVE:
                return False
            if status == "running":
                return True
            body = {"digest": plan.digest, "body": plan.body}
            self._dialect.insert(conn, plans, [body], "DO NOTHING")
            conn.execute(
                update(runs)
                .where(runs.c.id == run.id)
                .values(status="running", plan=plan.digest, started_at=at)
            )
            self._dialect.insert(
                conn,
                run_nodes,
                [
                    {
                        "run": run.id,
                        "key_number": 0,
                        "node": node,
                        "state": int(State.BYPASSED if v is None else State.REUSED),
                        "version": None if v is None else v.id,
                        "reason": "it has no value" if v is None else "given",
                        "error": None,
                    }
                    for node, v in given.items()
                ],
                "DO NOTHING",
            )
            self._dialect.insert(conn, events, [event_row(e, at) for e in news])
            return True

        return self._database.transact(work)

    def note(self, event: Event) -> None:
        """Record an event by itself."""
        self._database.transact(
            lambda conn: self._dialect.insert(
                conn, events, [event_row(event, clock(conn))]
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
    ) -> bool:
        """End a run, in one transaction with all that it lets go of.

        Args:
            run: the run.
            status: how it ended.
            settled: rows of cells whose end no step has written yet.
            error: why it failed.
            news: events to record.
            reason: for people.

        Returns:
            Whether it was live until now.
        """

        def work(conn: Connection) -> bool:
            turn = Turn.take(conn, self._dialect, run.request.pipeline)
            query = self._dialect.locked(
                select(runs.c.status).where(runs.c.id == run.id)
            )
            if conn.execute(query).scalar() not in LIVE:
                return False
            self._dialect.insert(
                conn,
                run_nodes,
                settled,
                "(run, key_number, node) DO UPDATE SET state = excluded.state, "
                "reason = excluded.reason, error = excluded.error "
                "WHERE flowstone_run_nodes.version IS NULL",
            )
            self._dialect.insert(conn, events, [event_row(e, turn.at) for e in news])
            close_run(turn, run.id, status, error=error, reason=reason)
            return True

        return self._database.transact(work)


def _begun(run: RunRow, at: datetime) -> dict[str, object]:
    return {
        "at": at,
        "actor": run.actor,
        "action": "run.start",
        "subject": run.id,
        "run": run.id,
        "data": dump({"verb": run.request.verb, "workflow": run.workflow}),
    }
