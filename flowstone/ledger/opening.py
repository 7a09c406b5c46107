"""Opening a pack: take what may be made now, and read what it is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, select

from flowstone.core.table import State
from flowstone.ledger.attempts import begin_attempts, lose_attempts
from flowstone.ledger.base import (
    Attempt,
    Claimed,
    Dispatch,
    Opened,
    Version,
    Wanted,
)
from flowstone.ledger.cells import Cells, is_held, is_made, read_cells
from flowstone.ledger.claims import free, take
from flowstone.ledger.closing import LIVE
from flowstone.ledger.dialect import Dialect
from flowstone.ledger.ids import new_id
from flowstone.ledger.schema import runs
from flowstone.ledger.turn import Turn
from flowstone.ledger.versions import current_versions, versions_by_id

__all__ = ["open_pack"]


def open_pack(
    conn: Connection,
    dialect: Dialect,
    who: Dispatch,
    *,
    pipeline: str,
    wanted: Sequence[Wanted],
    rerun: bool,
) -> Opened:
    """Open a pack within a transaction; see `Packs.open`."""
    if not _is_live(conn, dialect, who.run):
        return Opened(closed=True)
    turn = Turn.take(conn, dialect, pipeline)
    pairs = {w.cell for w in wanted} | {i for w in wanted for i in w.inputs}
    cells = read_cells(conn, dialect, who.run, pairs)
    lost = lose_attempts(turn, who, wanted) if who.attempt > 1 else {}
    known = [Claimed(made=is_made(w, cells), held=is_held(w, cells)) for w in wanted]
    if rerun:
        free(turn, who)
        return Opened(cells=known)
    todo = [w for w, c in zip(wanted, known, strict=True) if not c.settled]
    taken = take(turn, who, todo)
    reusable = [(w.asset, w.key) for w in todo if w.reusable]
    current = current_versions(conn, dialect, reusable)
    found = [
        c if c.settled else _judge(w, taken, current, pipeline, lost)
        for w, c in zip(wanted, known, strict=True)
    ]
    begin_attempts(turn, who, wanted, found)
    return Opened(cells=found, inputs=_inputs(turn, wanted, cells))


def _is_live(conn: Connection, dialect: Dialect, run: str) -> bool:
    query = select(runs.c.status).where(runs.c.id == run)
    return conn.execute(dialect.locked(query, share=True)).scalar() in LIVE


def _judge(
    wanted: Wanted,
    taken: Mapping[tuple[str, str], int | tuple[str, str]],
    current: Mapping[tuple[str, str], Version],
    pipeline: str,
    lost: Mapping[tuple[int, int], int],
) -> Claimed:
    place = (wanted.asset, wanted.key)
    version = current.get(place) if wanted.reusable else None
    if version is not None:
        return Claimed(reused=version)
    mine = taken[place]
    if not isinstance(mine, int):
        return Claimed(busy=mine)
    drawn = new_id()
    name = wanted.asset.split("/", 1)[-1]
    attempt = Attempt(id=drawn, path=f"{pipeline}/{name}/{drawn}", fence=mine)
    return Claimed(attempt=attempt, lost=lost.get(wanted.cell, 0))


def _inputs(
    turn: Turn, wanted: Sequence[Wanted], cells: Cells
) -> dict[tuple[int, int], Version | None]:
    """Read the versions that this run made, or took, of what is read."""
    read = {i: cells[i] for w in wanted for i in w.inputs if i in cells}
    ids = {i: version for i, (_, version) in read.items() if version is not None}
    absent = {i: None for i, (state, _) in read.items() if state == State.BYPASSED}
    found = versions_by_id(turn.conn, turn.dialect, ids.values())
    return absent | {i: found[v] for i, v in ids.items() if v in found}
