"""Attempts: rows that make what comes to be stored findable, and say how it ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import (
    ColumnElement,
    Update,
    and_,
    bindparam,
    func,
    select,
    update,
)

from flowstone.ledger.base import Attempt, Claimed, Commit, Dispatch, Wanted
from flowstone.ledger.cells import At
from flowstone.ledger.dialect import Dialect
from flowstone.ledger.ids import new_id
from flowstone.ledger.rows import error_text
from flowstone.ledger.schema import attempts
from flowstone.ledger.turn import Turn

__all__ = [
    "begin_attempts",
    "break_attempts",
    "draw_attempt",
    "end_attempts",
    "leave_attempts",
    "lose_attempts",
]


def draw_attempt(pipeline: str, wanted: Wanted, fence: int) -> Attempt:
    """Draw the id of a version that may come to be, and the place for its value."""
    drawn = new_id()
    name = wanted.asset.split("/", 1)[-1]
    return Attempt(id=drawn, path=f"{pipeline}/{name}/{drawn}", fence=fence)


def begin_attempts(
    turn: Turn, who: Dispatch, wanted: Sequence[Wanted], found: Sequence[Claimed]
) -> None:
    """Write an attempt for each cell that is this dispatch's to make."""
    rows = [
        _row(turn, who, w, c.attempt, alone=len(wanted) == 1)
        for w, c in zip(wanted, found, strict=True)
        if c.attempt is not None
    ]
    turn.dialect.insert(turn.conn, attempts, rows)


def leave_attempts(turn: Turn, who: Dispatch, wanted: Sequence[Wanted]) -> None:
    """Write that a dispatch was here and left cells as they are.

    An earlier attempt of it that was frozen, and had not even begun, finds this.
    """
    rows = [
        {
            **_row(turn, who, w, draw_attempt(turn.pipeline, w, 0), alone=False),
            "state": "left",
            "ended_at": turn.at,
        }
        for w in wanted
    ]
    turn.dialect.insert(turn.conn, attempts, rows)


def _row(
    turn: Turn, who: Dispatch, wanted: Wanted, attempt: Attempt, *, alone: bool
) -> dict[str, object]:
    return {
        "id": attempt.id,
        "run": who.run,
        "node": wanted.node,
        "key_number": wanted.key_number,
        "item": -1,
        "asset": wanted.asset,
        "key": wanted.key,
        "workflow": who.workflow,
        "dispatch": who.dispatch,
        "attempt": who.attempt,
        "number": wanted.number,
        "fence": attempt.fence,
        "io": wanted.io,
        "path": attempt.path,
        "alone": alone,
        "state": "open",
        "started_at": turn.at,
    }


def lose_attempts(turn: Turn, who: Dispatch, wanted: Sequence[Wanted]) -> dict[At, int]:
    """End what earlier attempts of a dispatch left open.

    Returns:
        Of a cell that is alone in its pack, how many workers in a row were lost with
        it: a dispatch ends with its first reply.
    """
    turn.conn.execute(
        update(attempts)
        .where(
            _of_dispatch(who),
            attempts.c.state == "open",
            attempts.c.attempt < who.attempt,
        )
        .values(state="lost", ended_at=turn.at)
    )
    if len(wanted) != 1:
        return {}
    cell = wanted[0]
    query = select(func.count()).where(
        _of_dispatch(who),
        attempts.c.node == cell.node,
        attempts.c.key_number == cell.key_number,
        attempts.c.state == "lost",
        attempts.c.alone,
    )
    return {cell.cell: int(turn.conn.execute(query).scalar_one())}


def break_attempts(turn: Turn, who: Dispatch) -> None:
    """End what an attempt of a dispatch has open, since it cannot go on."""
    turn.conn.execute(
        update(attempts)
        .where(
            _of_dispatch(who),
            attempts.c.state == "open",
            attempts.c.attempt == who.attempt,
        )
        .values(state="broken", ended_at=turn.at)
    )


def end_attempts(turn: Turn, commit: Commit, verdicts: Mapping[At, str]) -> None:
    """Write how attempts ended; what came too late is discarded."""
    ended: dict[str, list[str]] = {}
    for made in (*commit.making, *commit.publishing):
        committed = verdicts[made.wanted.cell] == "committed"
        state = "committed" if committed else "discarded"
        ended.setdefault(state, []).append(made.attempt.id)
    for hold in commit.holding:
        held = verdicts[hold.wanted.cell] == "held"
        ended.setdefault("held" if held else "discarded", []).append(hold.attempt.id)
    for end in commit.ending:
        late = end.wanted.cell in verdicts
        ended.setdefault("discarded" if late else end.state, []).append(end.attempt.id)
        if end.error is not None:
            turn.conn.execute(
                update(attempts)
                .where(attempts.c.id == end.attempt.id)
                .values(error=error_text(end.error))
            )
    for state, ids in ended.items():
        parameters = {"ids": ids, "to": state, "at": turn.at}
        turn.conn.execute(turn.dialect.prepared(_end), parameters)


def _end(dialect: Dialect) -> Update:
    return (
        update(attempts)
        .where(dialect.listed(attempts.c.id, "ids"))
        .values(state=bindparam("to"), ended_at=bindparam("at"))
    )


def _of_dispatch(who: Dispatch) -> ColumnElement[bool]:
    return and_(
        attempts.c.run == who.run,
        attempts.c.workflow == who.workflow,
        attempts.c.dispatch == who.dispatch,
    )
