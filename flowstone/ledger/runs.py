"""The rows of runs: begun, planned, ended; their plans and their cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from statistics import median_low
from typing import cast

from sqlalchemy import Connection, and_, delete, func, select, update

from flowstone.core.errors import FlowstoneError
from flowstone.core.events import (
    BackfillStopped,
    Event,
    GateCancelled,
    RunStopped,
    event_of,
)
from flowstone.core.plan import Plan
from flowstone.core.table import State
from flowstone.ledger.base import RunRow, Version
from flowstone.ledger.claims import free_run
from flowstone.ledger.database import Database
from flowstone.ledger.dialect import Dialect
from flowstone.ledger.rows import (
    clock,
    dump,
    error_text,
    event_row,
    load,
    run_of,
    run_row,
    version_of,
)
from flowstone.ledger.schema import (
    attempts,
    audit,
    events,
    gates,
    outbox,
    plans,
    pointers,
    run_nodes,
    runs,
    versions,
)

__all__ = ["Runs", "close_run"]

LIVE = ("starting", "running")
_RECENT = 9


class Runs:
    """Reads and writes the rows of runs.

    Args:
        database: where the tables are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._dialect = database.dialect

    # --- begin ----------------------------------------------------------------------

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
        here = conn.execute(select(runs).where(runs.c.id == run.id)).first()
        if here is None:
            here = conn.execute(
                select(runs).where(
                    runs.c.pipeline == run.request.pipeline,
                    runs.c.user_key == run.user_key,
                )
            ).one()
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

    # --- read -----------------------------------------------------------------------

    def get(self, run: str) -> RunRow | None:
        """Give a run, if there is one of this id."""
        with self._database.reading() as conn:
            row = conn.execute(select(runs).where(runs.c.id == run)).first()
        return None if row is None else run_of(row)

    def by_key(self, pipeline: str, user_key: str) -> RunRow | None:
        """Give the run that a caller's key names."""
        query = select(runs).where(
            runs.c.pipeline == pipeline, runs.c.user_key == user_key
        )
        with self._database.reading() as conn:
            row = conn.execute(query).first()
        return None if row is None else run_of(row)

    def recent(
        self, pipeline: str, *, limit: int, asset: str = "", status: str = ""
    ) -> list[RunRow]:
        """Give the newest runs first."""
        query = select(runs).where(runs.c.pipeline == pipeline)
        if asset:
            query = query.where(runs.c.asset == asset)
        if status:
            query = query.where(runs.c.status == status)
        query = query.order_by(runs.c.created_at.desc(), runs.c.id.desc()).limit(limit)
        with self._database.reading() as conn:
            return [run_of(row) for row in conn.execute(query)]

    def plan_body(self, digest: str) -> str:
        """Give the body of a plan."""
        query = select(plans.c.body).where(plans.c.digest == digest)
        with self._database.reading() as conn:
            return str(conn.execute(query).scalar_one())

    def current(
        self, cells: Sequence[tuple[str, str]]
    ) -> dict[tuple[str, str], Version]:
        """Give the versions that readers see now, of (asset, key) pairs."""
        if not cells:
            return {}
        among = self._dialect.among
        query = (
            select(versions)
            .join(pointers, pointers.c.version == versions.c.id)
            .where(
                among(pointers.c.asset, sorted({a for a, _ in cells})),
                among(pointers.c.key, sorted({k for _, k in cells})),
            )
        )
        with self._database.reading() as conn:
            found = [version_of(row) for row in conn.execute(query)]
        return {(v.asset, v.key): v for v in found}

    def absent(self, run: str) -> list[int]:
        """Give the given nodes of a run that have no value."""
        query = select(run_nodes.c.node).where(
            run_nodes.c.run == run,
            run_nodes.c.reason == "it has no value",
            run_nodes.c.state == int(State.BYPASSED),
        )
        with self._database.reading() as conn:
            return [node for (node,) in conn.execute(query)]

    def durations(self, assets: Sequence[str]) -> dict[str, int]:
        """Give how long each asset took of late: the median of its last versions."""
        found: dict[str, list[int]] = {}
        with self._database.reading() as conn:
            for asset, millis in self._dialect.recent_millis(conn, assets, _RECENT):
                found.setdefault(asset, []).append(millis)
        return {asset: median_low(taken) for asset, taken in found.items()}

    def nodes(
        self, run: str
    ) -> list[tuple[int, int, State, str | None, str, str | None]]:
        """Give every cell that was written: node, key, state, version, reason, error."""
        query = select(
            run_nodes.c.node,
            run_nodes.c.key_number,
            run_nodes.c.state,
            run_nodes.c.version,
            run_nodes.c.reason,
            run_nodes.c.error,
        ).where(run_nodes.c.run == run)
        with self._database.reading() as conn:
            return [
                (n, k, State(s), v, reason, error)
                for n, k, s, v, reason, error in conn.execute(query)
            ]

    def failures(self, run: str, node: int, key_number: int) -> int:
        """Count how often the function of a cell has failed in a run."""
        query = select(attempts.c.id).where(
            attempts.c.run == run,
            attempts.c.node == node,
            attempts.c.key_number == key_number,
            attempts.c.state == "failed",
        )
        with self._database.reading() as conn:
            return len(conn.execute(query).all())

    def running(self, run: str) -> int:
        """Count the attempts that are under way."""
        query = select(func.count()).where(
            attempts.c.run == run, attempts.c.state == "open"
        )
        with self._database.reading() as conn:
            return int(conn.execute(query).scalar_one())

    def note(self, event: Event) -> None:
        """Record an event by itself."""
        self._database.transact(
            lambda conn: self._dialect.insert(
                conn, events, [event_row(event, clock(conn))]
            )
        )

    def last_note(self, run: str) -> str:
        """Give why the run waits for a worker, if that is what it does now."""
        query = (
            select(events.c.outcome, events.c.data)
            .where(events.c.run == run)
            .order_by(events.c.seq.desc())
            .limit(1)
        )
        with self._database.reading() as conn:
            row = conn.execute(query).first()
        if row is None or row.outcome != "not_here":
            return ""
        return str(load(row.data).get("why", ""))

    def events(self, run: str) -> list[Event]:
        """Give what happened in a run, in order."""
        query = select(events).where(events.c.run == run).order_by(events.c.seq)
        with self._database.reading() as conn:
            return [_event(row._mapping) for row in conn.execute(query)]

    # --- end ------------------------------------------------------------------------

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
            at = clock(conn)
            query = self._dialect.locked(
                select(runs.c.status).where(runs.c.id == run.id)
            )
            if conn.execute(query).scalar() not in LIVE:
                return []
            self._dialect.insert(
                conn,
                run_nodes,
                settled,
                "(run, key_number, node) DO UPDATE SET state = excluded.state, "
                "reason = excluded.reason, error = excluded.error "
                "WHERE flowstone_run_nodes.version IS NULL",
            )
            self._dialect.insert(conn, events, [event_row(e, at) for e in news])
            last = close_run(conn, self._dialect, run.id, status, at, error, reason)
            return [*(replace(e, at=e.at or at) for e in news), *last]

        return self._database.transact(work)


def close_run(
    conn: Connection,
    dialect: Dialect,
    run: str,
    status: str,
    at: datetime,
    error: FlowstoneError | None = None,
    reason: str = "",
) -> list[Event]:
    """Set a run's end, and let go of its claims, gates, attempts and bells.

    Returns:
        The events that were recorded.
    """
    about = select(
        runs.c.pipeline,
        runs.c.actor,
        runs.c.verb,
        runs.c.asset,
        runs.c.key,
        runs.c.started_at,
    ).where(runs.c.id == run)
    pipeline, actor, verb, asset, key, started = conn.execute(about).one()
    conn.execute(
        update(runs)
        .where(runs.c.id == run)
        .values(status=status, ended_at=at, error=error_text(error), reason=reason)
    )
    free_run(conn, dialect, run, pipeline, at)
    left = conn.execute(
        update(gates)
        .where(gates.c.run == run, gates.c.state == "waiting")
        .values(state="abandoned", decided_at=at)
        .returning(gates.c.id, gates.c.asset, gates.c.key)
    ).all()
    conn.execute(
        update(attempts)
        .where(and_(attempts.c.run == run, attempts.c.state == "open"))
        .values(state="lost", ended_at=at)
    )
    conn.execute(delete(outbox).where(outbox.c.run == run))
    kind = BackfillStopped if verb == "backfill" else RunStopped
    millis = None if started is None else round((at - started).total_seconds() * 1000)
    news: list[Event] = [
        *(_abandoned(run, *gate, at=at) for gate in left),
        kind(asset=asset, key=key, run=run, outcome=status, millis=millis, at=at),
    ]
    dialect.insert(conn, events, [event_row(e, at) for e in news])
    dialect.insert(
        conn,
        audit,
        [
            {
                "at": at,
                "actor": actor,
                "action": f"run.{status}",
                "subject": run,
                "run": run,
                "data": dump({"reason": reason}),
            }
        ],
    )
    return news


def _abandoned(run: str, gate: str, asset: str, key: str, *, at: datetime) -> Event:
    return GateCancelled(
        asset=asset.split("/", 1)[-1],
        key=key,
        run=run,
        outcome="abandoned",
        at=at,
        gate=gate,
    )


def _begun(run: RunRow, at: datetime) -> dict[str, object]:
    return {
        "at": at,
        "actor": run.actor,
        "action": "run.start",
        "subject": run.id,
        "run": run.id,
        "data": dump({"verb": run.request.verb, "workflow": run.workflow}),
    }


def _event(row: Mapping[str, object]) -> Event:
    return event_of(
        Event(
            name=str(row["name"]),
            asset=str(row["asset"]),
            key=str(row["key"]),
            run=str(row["run"]),
            outcome=str(row["outcome"]),
            at=cast("datetime", row["at"]),
            extra=load(str(row["data"])),
        )
    )
