"""Attempts: rows that make what comes to be stored findable, and say how it ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import and_, select, update

from flowstone.ledger.base import Claimed, Commit, Dispatch, Wanted
from flowstone.ledger.rows import error_text
from flowstone.ledger.schema import attempts
from flowstone.ledger.turn import Turn

__all__ = ["begin_attempts", "end_attempts", "lose_attempts"]


def begin_attempts(
    turn: Turn, who: Dispatch, wanted: Sequence[Wanted], found: Sequence[Claimed]
) -> None:
    """Write an attempt for each cell that is this dispatch's to make."""
    rows = [
        {
            "id": c.attempt.id,
            "run": who.run,
            "node": w.node,
            "key_number": w.key_number,
            "item": -1,
            "asset": w.asset,
            "key": w.key,
            "workflow": who.workflow,
            "dispatch": who.dispatch,
            "attempt": who.attempt,
            "number": w.number,
            "fence": c.attempt.fence,
            "io": w.io,
            "path": c.attempt.path,
            "alone": len(wanted) == 1,
            "state": "open",
            "started_at": turn.at,
        }
        for w, c in zip(wanted, found, strict=True)
        if c.attempt is not None
    ]
    turn.dialect.insert(turn.conn, attempts, rows)


def lose_attempts(
    turn: Turn, who: Dispatch, wanted: Sequence[Wanted]
) -> dict[tuple[int, int], int]:
    """End what earlier attempts of a dispatch left open.

    Returns:
        Of a cell that is alone in its pack, how often a worker was lost with it.
    """
    mine = and_(
        attempts.c.run == who.run,
        attempts.c.workflow == who.workflow,
        attempts.c.dispatch == who.dispatch,
    )
    turn.conn.execute(
        update(attempts)
        .where(mine, attempts.c.state == "open", attempts.c.attempt < who.attempt)
        .values(state="lost", ended_at=turn.at)
    )
    if len(wanted) != 1:
        return {}
    cell = wanted[0]
    query = select(attempts.c.id).where(
        attempts.c.run == who.run,
        attempts.c.node == cell.node,
        attempts.c.key_number == cell.key_number,
        attempts.c.state == "lost",
        attempts.c.alone,
    )
    return {cell.cell: len(turn.conn.execute(query).all())}


def end_attempts(
    turn: Turn, commit: Commit, verdicts: Mapping[tuple[int, int], str]
) -> None:
    """Write how attempts ended."""
    ended: dict[str, list[str]] = {}
    for made in commit.making:
        state = verdicts[made.wanted.cell]
        kept = "committed" if state == "committed" else "discarded"
        ended.setdefault(kept, []).append(made.attempt.id)
    for hold in commit.holding:
        ended.setdefault("held", []).append(hold.attempt.id)
    for end in commit.ending:
        ended.setdefault(end.state, []).append(end.attempt.id)
        if end.error is not None:
            turn.conn.execute(
                update(attempts)
                .where(attempts.c.id == end.attempt.id)
                .values(error=error_text(end.error))
            )
    for state, ids in ended.items():
        turn.conn.execute(
            update(attempts)
            .where(turn.dialect.among(attempts.c.id, ids))
            .values(state=state, ended_at=turn.at)
        )
