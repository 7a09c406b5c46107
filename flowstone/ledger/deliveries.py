"""The log of deliveries: what came to gates from outside, and what became of it.

Only those that bore a good token are in it, so that nobody else can fill it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, select, update

from flowstone.core.errors import UnknownDelivery
from flowstone.ledger.database import Database, again
from flowstone.ledger.inbox import deliveries
from flowstone.ledger.rows import dump
from flowstone.ledger.turn import Turn

__all__ = ["Deliveries", "Delivery"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One answer as it came, and what became of it.

    Attributes:
        gate: the id of the gate it was for.
        asset: whose gate that is, where it is known.
        key: its partition, as text.
        source: where it came from.
        actor: who delivered it, where that is known.
        outcome: `answered`, `kept` for a gate that will open, `repeated`, `refused`
            where another answer was first, `late`, `closed`, `misfit` where it is not
            what the asset takes, `malformed` where it is no JSON, or
            `oversize`.
        status: the status of HTTP for that.
        reason: why it was refused.
        headers: those it came with; what may be secret is masked.
        payload: the answer, as JSON; `None` where it is none.
        digest: the SHA-256 of what came.
        size: its bytes.
        replay_of: the delivery that was delivered again.
    """

    id: str
    pipeline: str
    gate: str
    asset: str = ""
    key: str = ""
    run: str = ""
    source: str
    actor: str = ""
    outcome: str = ""
    status: int = 0
    reason: str = ""
    headers: Mapping[str, str]
    payload: str | None
    digest: str
    size: int
    replay_of: str | None = None
    at: datetime | None = None


class Deliveries:
    """Writes and reads the log of deliveries.

    Args:
        database: where the tables are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._dialect = database.dialect

    def record(self, delivery: Delivery, kept: timedelta) -> Delivery:
        """Write down a delivery that changed nothing; give it with its instant."""

        def work(conn: Connection) -> Delivery:
            turn = Turn.take(conn, self._dialect, delivery.pipeline)
            return self.write(turn, delivery, kept)

        return self._database.transact(work, ask=again)

    def write(self, turn: Turn, delivery: Delivery, kept: timedelta) -> Delivery:
        """Do so within a transaction; drop those that were kept long enough."""
        row = {f.name: getattr(delivery, f.name) for f in fields(Delivery)}
        row |= {"at": turn.at, "headers": dump(dict(delivery.headers))}
        turn.dialect.insert(turn.conn, deliveries, [row], "DO NOTHING")
        turn.conn.execute(
            delete(deliveries).where(
                deliveries.c.pipeline == delivery.pipeline,
                deliveries.c.at < turn.at - kept,
            )
        )
        return replace(delivery, at=turn.at)

    def close(self, delivery: Delivery, reason: str) -> Delivery:
        """Write down that nobody waited any more for what was delivered."""
        found = replace(delivery, outcome="closed", status=410, reason=reason)
        mine = update(deliveries).where(deliveries.c.id == found.id)
        change = mine.values(outcome=found.outcome, status=found.status, reason=reason)

        def work(conn: Connection) -> Delivery:
            conn.execute(change)
            return found

        return self._database.transact(work, ask=again)

    def list(
        self, pipeline: str, *, gate: str = "", limit: int = 100
    ) -> list[Delivery]:
        """Give the newest first."""
        query = select(deliveries).where(deliveries.c.pipeline == pipeline)
        if gate:
            query = query.where(deliveries.c.gate == gate)
        query = query.order_by(deliveries.c.at.desc(), deliveries.c.id.desc())
        with self._database.reading() as conn:
            rows = conn.execute(query.limit(limit)).mappings()
            return [_delivery(row) for row in rows]

    def get(self, pipeline: str, delivery: str) -> Delivery:
        """Give one.

        Raises:
            UnknownDelivery: there is none, or it is no longer kept.
        """
        query = select(deliveries).where(
            deliveries.c.pipeline == pipeline, deliveries.c.id == delivery
        )
        with self._database.reading() as conn:
            row = conn.execute(query).mappings().first()
        if row is None:
            raise UnknownDelivery(delivery=delivery)
        return _delivery(row)


def _delivery(row: Mapping[Any, Any]) -> Delivery:
    values = {str(name): value for name, value in row.items()}
    headers = json.loads(str(values.pop("headers")))
    return replace(Delivery(**values, headers={}), headers=headers)  # pyright: ignore[reportArgumentType]
