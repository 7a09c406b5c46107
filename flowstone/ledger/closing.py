"""The end of a run: its status, and all that it lets go of with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, or_, select, update

from flowstone.core.errors import FlowstoneError
from flowstone.ledger.audit import write_audit
from flowstone.ledger.base import LIVE, Event
from flowstone.ledger.claims import free_run
from flowstone.ledger.rows import error_text, event_row
from flowstone.ledger.schema import attempts, events, gates, outbox, runs
from flowstone.ledger.turn import Turn

__all__ = ["Locked", "close_run", "lock_run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """A run whose row is locked, and what its end will say of it."""

    id: str
    status: str
    verb: str
    asset: str
    key: str
    actor: str

    @property
    def live(self) -> bool:
        """Whether it has not ended."""
        return self.status in LIVE


def lock_run(turn: Turn, run: str) -> Locked | None:
    """Lock a run's row, if there is one; before its claims, as whoever opens does."""
    query = select(
        runs.c.id,
        runs.c.status,
        runs.c.verb,
        runs.c.asset,
        runs.c.key,
        runs.c.actor,
    ).where(runs.c.id == run)
    row = turn.conn.execute(turn.dialect.locked(query)).mappings().first()
    return None if row is None else Locked(**row)


def close_run(
    turn: Turn,
    run: Locked,
    status: str,
    *,
    error: FlowstoneError | None = None,
    reason: str = "",
    news: Sequence[Event] = (),
) -> None:
    """Set a live run's end, and let go of its claims, gates, attempts and bells."""
    conn, at = turn.conn, turn.at
    conn.execute(
        update(runs)
        .where(runs.c.id == run.id)
        .values(status=status, ended_at=at, error=error_text(error), reason=reason)
    )
    free_run(turn, run.id)
    # An answer that nobody has seen will not be seen any more.
    unseen = or_(gates.c.state == "waiting", ~gates.c.seen)
    conn.execute(
        update(gates)
        .where(gates.c.run == run.id, unseen)
        .values(state="abandoned", decided_at=at)
    )
    conn.execute(
        update(attempts)
        .where(attempts.c.run == run.id, attempts.c.state == "open")
        .values(state="lost", ended_at=at)
    )
    conn.execute(delete(outbox).where(outbox.c.run == run.id))
    rows = [event_row(event, at) for event in (*news, _stop(run, status))]
    turn.dialect.insert(conn, events, rows)
    data = {"reason": reason}
    write_audit(turn, f"run.{status}", [run.id], actor=run.actor, run=run.id, data=data)


def _stop(run: Locked, status: str) -> Event:
    backfill = run.verb == "backfill"
    return Event(
        name="flowstone.backfill.stop" if backfill else "flowstone.run.stop",
        asset=run.asset,
        key=run.key,
        run=run.id,
        outcome=status,
    )
