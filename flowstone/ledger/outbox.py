"""Bells to ring, and runs that nobody serves any more.

Every worker rings: what is due is taken with `SKIP LOCKED`, so two never ring twice
for the same row at once. A bell is rung again, ever later, until its gate was seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection, delete, select, update

from flowstone.ledger.base import RunRow
from flowstone.ledger.closing import LIVE
from flowstone.ledger.database import Database
from flowstone.ledger.rows import clock, run_of
from flowstone.ledger.schema import claims, gates, outbox, runs

__all__ = ["Bell", "Outbox"]

_AGAIN = (1, 5, 30, 300)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bell:
    """A bell that is due: the workflow to ring, for which gate (empty: a claim)."""

    seq: int
    workflow: str
    run: str
    gate: str
    tries: int


class Outbox:
    """Takes what is due.

    Args:
        database: where the tables are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._dialect = database.dialect

    def due(self, pipeline: str, limit: int = 100) -> list[Bell]:
        """Take bells that are due; each is put off, or deleted if it rings but once."""

        def work(conn: Connection) -> list[Bell]:
            at = clock(conn)
            query = self._dialect.locked(
                select(outbox)
                .where(outbox.c.pipeline == pipeline, outbox.c.due_at <= at)
                .order_by(outbox.c.due_at)
                .limit(limit),
                skip=True,
            )
            bells = [
                Bell(
                    seq=r.seq,
                    workflow=r.workflow,
                    run=r.run,
                    gate=r.gate,
                    tries=r.tries,
                )
                for r in conn.execute(query)
            ]
            for bell in bells:
                if not bell.gate:
                    # The flow's own timer asks again should this one be lost.
                    conn.execute(delete(outbox).where(outbox.c.seq == bell.seq))
                    continue
                wait = timedelta(seconds=_AGAIN[min(bell.tries, len(_AGAIN) - 1)])
                conn.execute(
                    update(outbox)
                    .where(outbox.c.seq == bell.seq)
                    .values(due_at=at + wait, tries=bell.tries + 1)
                )
            return bells

        with self._database.reading() as conn:
            # Most looks find nothing: they should not cost a writing transaction.
            waiting = select(outbox.c.seq).where(
                outbox.c.pipeline == pipeline, outbox.c.due_at <= clock(conn)
            )
            if conn.execute(waiting.limit(1)).first() is None:
                return []
        return self._database.transact(work)

    def stuck(self, pipeline: str, idle: timedelta) -> list[RunRow]:
        """Give live runs that hold something, or never started, for a while."""
        with self._database.reading() as conn:
            since = clock(conn) - idle
            holding = (
                select(claims.c.run)
                .where(claims.c.taken_at < since)
                .union(
                    select(gates.c.run).where(
                        gates.c.state == "waiting", gates.c.opened_at < since
                    )
                )
            )
            query = select(runs).where(
                runs.c.pipeline == pipeline,
                runs.c.status.in_(LIVE),
                runs.c.created_at < since,
                (runs.c.status == "starting") | runs.c.id.in_(holding),
            )
            return [run_of(row) for row in conn.execute(query).mappings()]

    def live(self, pipeline: str) -> list[RunRow]:
        """Give every run that has not ended."""
        query = select(runs).where(runs.c.pipeline == pipeline, runs.c.status.in_(LIVE))
        with self._database.reading() as conn:
            return [run_of(row) for row in conn.execute(query).mappings()]
