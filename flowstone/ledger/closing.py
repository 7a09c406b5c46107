"""The end of a run: its status, and all that it lets go of with it."""

from __future__ import annotations

from sqlalchemy import delete, select, update

from flowstone.core.errors import FlowstoneError
from flowstone.ledger.base import Event
from flowstone.ledger.claims import free_run
from flowstone.ledger.rows import dump, error_text, event_row
from flowstone.ledger.schema import attempts, audit, events, gates, outbox, runs
from flowstone.ledger.turn import Turn

__all__ = ["LIVE", "close_run"]

LIVE = ("starting", "running")
"""What a run is until it ends."""


def close_run(
    turn: Turn,
    run: str,
    status: str,
    *,
    error: FlowstoneError | None = None,
    reason: str = "",
) -> None:
    """Set a run's end, and let go of its claims, gates, attempts and bells."""
    conn, at = turn.conn, turn.at
    about = select(runs.c.actor, runs.c.verb, runs.c.asset, runs.c.key)
    actor, verb, asset, key = conn.execute(about.where(runs.c.id == run)).one()
    conn.execute(
        update(runs)
        .where(runs.c.id == run)
        .values(status=status, ended_at=at, error=error_text(error), reason=reason)
    )
    free_run(turn, run)
    conn.execute(
        update(gates)
        .where(gates.c.run == run, gates.c.state == "waiting")
        .values(state="abandoned", decided_at=at)
    )
    conn.execute(
        update(attempts)
        .where(attempts.c.run == run, attempts.c.state == "open")
        .values(state="lost", ended_at=at)
    )
    conn.execute(delete(outbox).where(outbox.c.run == run))
    word = "backfill" if verb == "backfill" else "run"
    stop = Event(
        name=f"flowstone.{word}.stop", asset=asset, key=key, run=run, outcome=status
    )
    turn.dialect.insert(conn, events, [event_row(stop, at)])
    entry = {
        "at": at,
        "actor": actor,
        "action": f"run.{status}",
        "subject": run,
        "run": run,
        "data": dump({"reason": reason}),
    }
    turn.dialect.insert(conn, audit, [entry])
