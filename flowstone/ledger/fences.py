"""Fences: numbers that only grow, by which late work is told from new work."""

from __future__ import annotations

from sqlalchemy import func, select

from flowstone.ledger.schema import attempts, claims, pointers
from flowstone.ledger.turn import Turn

__all__ = ["draw_fence", "keep_above"]


def draw_fence(turn: Turn) -> int:
    """Draw the next one."""
    return turn.dialect.fence(turn.conn)


def keep_above(turn: Turn, seen: int) -> None:
    """Have the next fence be above one that was seen in a table.

    It is, unless the database was restored or taken over from a copy that does not
    have the sequence: then it goes on above the greatest fence of any table.
    """
    if turn.dialect.last_fence(turn.conn) >= seen:
        return
    turn.dialect.take_turns(turn.conn, ["fences"])
    greatest = [
        turn.conn.execute(select(func.max(table.c.fence))).scalar() or 0
        for table in (pointers, claims, attempts)
    ]
    turn.dialect.raise_fences(turn.conn, max(greatest))
