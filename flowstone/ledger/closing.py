"""The end of a run: its status, and all that it lets go of with it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, select, update

from flowstone.core.errors import FlowstoneError
from flowstone.core.events import BackfillStopped, Event, GateCancelled, RunStopped
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
) -> list[Event]:
    """Set a run's end, and let go of its claims, gates, attempts and bells.

    Returns:
        The events that were recorded.
    """
    conn, at = turn.conn, turn.at
    about = select(
        runs.c.actor, runs.c.verb, runs.c.asset, runs.c.key, runs.c.started_at
    )
    actor, verb, *cell, began = conn.execute(about.where(runs.c.id == run)).one()
    conn.execute(
        update(runs)
        .where(runs.c.id == run)
        .values(status=status, ended_at=at, error=error_text(error), reason=reason)
    )
    free_run(turn, run)
    left = conn.execute(
        update(gates)
        .where(gates.c.run == run, gates.c.state == "waiting")
        .values(state="abandoned", decided_at=at)
        .returning(gates.c.id, gates.c.asset, gates.c.key)
    ).all()
    conn.execute(
        update(attempts)
        .where(attempts.c.run == run, attempts.c.state == "open")
        .values(state="lost", ended_at=at)
    )
    conn.execute(delete(outbox).where(outbox.c.run == run))
    news = [
        *(_left_gate(turn, run, *gate) for gate in left),
        _stopped(turn, run, verb, *cell, status=status, began=began),
    ]
    turn.dialect.insert(conn, events, [event_row(e, at) for e in news])
    entry = {
        "at": at,
        "actor": actor,
        "action": f"run.{status}",
        "subject": run,
        "run": run,
        "data": dump({"reason": reason}),
    }
    turn.dialect.insert(conn, audit, [entry])
    return news


def _left_gate(turn: Turn, run: str, gate: str, asset: str, key: str) -> Event:
    """Tell that nobody waits at a gate any more."""
    return GateCancelled(
        asset=asset.split("/", 1)[-1],
        key=key,
        run=run,
        outcome="abandoned",
        at=turn.at,
        gate=gate,
    )


def _stopped(
    turn: Turn,
    run: str,
    verb: str,
    asset: str,
    key: str,
    *,
    status: str,
    began: datetime | None,
) -> Event:
    """Tell that a run has ended."""
    kind = BackfillStopped if verb == "backfill" else RunStopped
    taken = None if began is None else (turn.at - began).total_seconds()
    return kind(
        asset=asset,
        key=key,
        run=run,
        outcome=status,
        at=turn.at,
        millis=None if taken is None else round(taken * 1000),
    )
