"""Bells to ring, and runs that nobody serves any more.

Every worker rings: what is due is taken with `SKIP LOCKED`, so two never ring twice
for the same row at once. A bell is rung again, ever later, until its gate was seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    bindparam,
    case,
    delete,
    exists,
    func,
    or_,
    select,
)
from sqlalchemy import update as change

from flowstone.ledger.base import LIVE, RunRow
from flowstone.ledger.database import Database
from flowstone.ledger.dialect import Dialect
from flowstone.ledger.rows import run_of
from flowstone.ledger.schema import attempts, claims, outbox, runs
from flowstone.ledger.turn import Turn

__all__ = ["AFTER", "Bell", "Outbox", "ring"]

AFTER = timedelta(seconds=1)
"""How long after an answer the relay rings: whoever answered has rung already."""

_AGAIN = tuple(timedelta(seconds=s) for s in (5, 30, 300))
_NEVER_STARTED = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bell:
    """A bell that is due: the workflow to ring, for which gate (empty: a claim).

    Attributes:
        tries: how often it was rung before; one that was should be alive to hear it.
    """

    seq: int
    workflow: str
    run: str
    gate: str
    tries: int


def ring(
    turn: Turn,
    whom: Sequence[tuple[str, str]],
    *,
    gate: str = "",
    due: datetime | None = None,
) -> None:
    """Have workflows be rung, within the transaction that gives the reason.

    Args:
        turn: the transaction.
        whom: workflows, each with its run.
        gate: the gate that was decided; empty where a claim is free.
        due: when; by default now.
    """
    rows = [
        {
            "pipeline": turn.pipeline,
            "workflow": workflow,
            "run": run,
            "gate": gate,
            "due_at": due or turn.at,
            "tries": 0,
        }
        for workflow, run in whom
    ]
    turn.dialect.insert(turn.conn, outbox, rows)


class Outbox:
    """Takes what is due.

    Args:
        database: where the tables are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._dialect = database.dialect

    # --- bells ----------------------------------------------------------------------

    def due(self, pipeline: str, limit: int = 100) -> list[Bell]:
        """Take bells that are due; each is put off, or deleted if it rings but once."""
        # Most looks find nothing: they should cost as little as one can.
        with self._database.reading() as conn, self._dialect.together(conn) as send:
            waiting = send.ask(_ask_due, {"of": pipeline})
        if not waiting.rows():
            return []
        return self._database.transact(lambda conn: self._due(conn, pipeline, limit))

    def _due(self, conn: Connection, pipeline: str, limit: int) -> list[Bell]:
        at = self._dialect.clock(conn)
        query = (
            select(outbox)
            .where(outbox.c.pipeline == pipeline, outbox.c.due_at <= at)
            .order_by(outbox.c.due_at)
            .limit(limit)
        )
        bells = [
            Bell(seq=r.seq, workflow=r.workflow, run=r.run, gate=r.gate, tries=r.tries)
            for r in conn.execute(self._dialect.locked(query, skip=True))
        ]
        # A lost bell for a claim is made up for by the flow's own timer.
        self._drop(conn, [b.seq for b in bells if not b.gate])
        for tries in sorted({b.tries for b in bells if b.gate}):
            put_off = [b.seq for b in bells if b.gate and b.tries == tries]
            wait = _AGAIN[min(tries, len(_AGAIN) - 1)]
            conn.execute(
                change(outbox)
                .where(self._dialect.among(outbox.c.seq, put_off))
                .values(due_at=at + wait, tries=tries + 1)
            )
        return bells

    def wake(
        self, pipeline: str, whom: Sequence[tuple[str, str]], *, spacing: timedelta
    ) -> int:
        """Have workflows be rung one after the other, but those that will be anyway.

        Args:
            pipeline: the app's name.
            whom: workflows, each with its run.
            spacing: how far apart they are rung.

        Returns:
            How many were added.
        """

        def work(conn: Connection) -> int:
            # Each worker of a new version wants them all woken.
            self._dialect.take_turns(conn, [f"wake {pipeline}"])
            turn = Turn.take(conn, self._dialect, pipeline)
            awaited = select(outbox.c.workflow).where(
                outbox.c.pipeline == pipeline, outbox.c.gate == ""
            )
            known = set(conn.execute(awaited).scalars())
            new = [pair for pair in whom if pair[0] not in known]
            for number, pair in enumerate(new):
                ring(turn, [pair], due=turn.at + number * spacing)
            return len(new)

        return self._database.transact(work)

    def _drop(self, conn: Connection, bells: Sequence[int]) -> None:
        if bells:
            conn.execute(delete(outbox).where(self._dialect.among(outbox.c.seq, bells)))

    # --- runs -----------------------------------------------------------------------

    def stuck(self, pipeline: str, idle: timedelta, limit: int = 500) -> list[RunRow]:
        """Take live runs that have not gone on for a while, or never started.

        A run that is taken is not taken again for as long, by no worker. Those that
        others may be waiting for come first.

        Args:
            pipeline: the app's name.
            idle: how long a while is.
            limit: how many runs to take at most.
        """

        def work(conn: Connection) -> list[RunRow]:
            at = self._dialect.clock(conn)
            query = (
                select(runs)
                .where(
                    runs.c.pipeline == pipeline,
                    runs.c.status.in_(LIVE),
                    or_(runs.c.swept_at.is_(None), runs.c.swept_at <= at - idle),
                    _waits_in_vain(at, idle),
                )
                .order_by(
                    case((_has_claims(), 0), else_=1),
                    func.coalesce(runs.c.swept_at, runs.c.created_at),
                )
                .limit(limit)
            )
            locked = self._dialect.locked(query, skip=True)
            found = [run_of(row) for row in conn.execute(locked).mappings()]
            if found:
                ids = [run.id for run in found]
                taken = change(runs).where(self._dialect.among(runs.c.id, ids))
                conn.execute(taken.values(swept_at=at))
            return found

        return self._database.transact(work)

    def live(self, pipeline: str) -> list[RunRow]:
        """Give every run that has not ended."""
        query = select(runs).where(runs.c.pipeline == pipeline, runs.c.status.in_(LIVE))
        with self._database.reading() as conn:
            return [run_of(row) for row in conn.execute(query).mappings()]


def _ask_due(dialect: Dialect) -> Select[*tuple[Any, ...]]:
    due = outbox.c.due_at <= dialect.now()
    return (
        select(outbox.c.seq).where(outbox.c.pipeline == bindparam("of"), due).limit(1)
    )


def _waits_in_vain(at: datetime, idle: timedelta) -> ColumnElement[bool]:
    """Tell runs that should have been started, or should have done something."""
    since = at - idle
    moved = exists().where(
        attempts.c.run == runs.c.id,
        or_(attempts.c.started_at > since, attempts.c.ended_at > since),
    )
    never = at - min(idle, _NEVER_STARTED)
    return or_(
        (runs.c.status == "starting") & (runs.c.created_at <= never),
        (runs.c.status == "running") & (runs.c.started_at <= since) & ~moved,
    )


def _has_claims() -> ColumnElement[bool]:
    return exists().where(claims.c.run == runs.c.id)
