"""Opening a pack: take what may be made now, and read what it is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    CompoundSelect,
    Connection,
    Select,
    bindparam,
    literal,
    null,
    select,
)

from flowstone.core.table import State
from flowstone.ledger.attempts import (
    begin_attempts,
    draw_attempt,
    leave_attempts,
    lose_attempts,
)
from flowstone.ledger.base import LIVE, Claimed, Dispatch, Opened, Version, Wanted
from flowstone.ledger.cells import At, Cells, is_held, is_made, read_cells
from flowstone.ledger.claims import Place, free, lock_claims, renew, take
from flowstone.ledger.dialect import Dialect
from flowstone.ledger.schema import attempts, run_nodes, runs
from flowstone.ledger.turn import Turn
from flowstone.ledger.versions import (
    Pointer,
    read_fences,
    read_pointers,
    versions_by_id,
)

__all__ = ["open_pack"]

_OVERTAKEN = -1


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
    status = _status(conn, dialect, who.run)
    if status not in LIVE:
        return Opened(closed=status or "forgotten")
    turn = Turn.take(conn, dialect, pipeline)
    lost = lose_attempts(turn, who, wanted) if who.attempt > 1 else {}
    if rerun:
        return _rerun(turn, who, wanted)
    taken = take(turn, who, wanted)
    # What follows is read with the claims in hand: whoever had them has committed.
    cells, late = _read(turn, who, wanted)
    current = _pointers(turn, wanted)
    taken = _above(turn, who, taken, current)
    found = [
        _known(w, cells, late) or _judge(w, taken, current, pipeline, lost)
        for w in wanted
    ]
    begin_attempts(turn, who, wanted, found)
    return Opened(cells=found, inputs=_inputs(turn, wanted, cells))


def _status(conn: Connection, dialect: Dialect, run: str) -> str | None:
    return conn.execute(dialect.prepared(_ask_status), {"of": run}).scalar()


def _ask_status(dialect: Dialect) -> Select[str]:
    query = select(runs.c.status).where(runs.c.id == bindparam("of"))
    return dialect.locked(query, share=True)


def _rerun(turn: Turn, who: Dispatch, wanted: Sequence[Wanted]) -> Opened:
    """Let go of everything, and tell what is settled."""
    locked = lock_claims(turn, who)
    cells = read_cells(turn, who.run, {w.cell for w in wanted})
    found = [_known(w, cells, set()) or Claimed() for w in wanted]
    left = [w for w, c in zip(wanted, found, strict=True) if not c.settled]
    leave_attempts(turn, who, left)
    free(turn, who, locked)
    return Opened(cells=found)


def _read(turn: Turn, who: Dispatch, wanted: Sequence[Wanted]) -> tuple[Cells, set[At]]:
    """Read how cells and their inputs are settled, and which were overtaken."""
    places = {w.cell for w in wanted} | {i for w in wanted for i in w.inputs}
    parameters = {
        **who._asdict(),
        "nodes": sorted({n for n, _ in places}),
        "keys": sorted({k for _, k in places}),
        "my_nodes": sorted({w.node for w in wanted}),
        "my_keys": sorted({w.key_number for w in wanted}),
    }
    cells: dict[At, tuple[int, str | None]] = {}
    late: set[At] = set()
    rows = turn.conn.execute(turn.dialect.prepared(_ask_cells), parameters)
    for node, key, state, version in rows:
        if state == _OVERTAKEN:
            late.add((node, key))
        else:
            cells[node, key] = (state, version)
    return cells, late


def _ask_cells(dialect: Dialect) -> CompoundSelect[*tuple[Any, ...]]:
    listed = dialect.listed
    settled = select(
        run_nodes.c.node,
        run_nodes.c.key_number,
        run_nodes.c.state,
        run_nodes.c.version,
    ).where(
        run_nodes.c.run == bindparam("run"),
        listed(run_nodes.c.key_number, "keys"),
        listed(run_nodes.c.node, "nodes"),
    )
    # Rows of later attempts of this dispatch, which were here before this one.
    overtaking = select(
        attempts.c.node, attempts.c.key_number, literal(_OVERTAKEN), null()
    ).where(
        attempts.c.run == bindparam("run"),
        attempts.c.workflow == bindparam("workflow"),
        attempts.c.dispatch == bindparam("dispatch"),
        attempts.c.attempt > bindparam("attempt"),
        listed(attempts.c.key_number, "my_keys"),
        listed(attempts.c.node, "my_nodes"),
    )
    return settled.union_all(overtaking)


def _pointers(turn: Turn, wanted: Sequence[Wanted]) -> Mapping[Place, Pointer]:
    """Read what readers see now, and of what is made anyway only how new that is."""
    good = [(w.asset, w.key) for w in wanted if w.reusable]
    anew = [(w.asset, w.key) for w in wanted if not w.reusable]
    return {**read_fences(turn, anew), **read_pointers(turn, good)}


def _known(wanted: Wanted, cells: Cells, late: set[At]) -> Claimed | None:
    """Tell what is settled without being made."""
    if is_made(wanted, cells):
        return Claimed(made=True)
    if is_held(wanted, cells):
        return Claimed(held=True)
    return Claimed(superseded=True) if wanted.cell in late else None


def _above(
    turn: Turn,
    who: Dispatch,
    taken: Mapping[Place, int | tuple[str, str]],
    current: Mapping[Place, Pointer],
) -> Mapping[Place, int | tuple[str, str]]:
    """Have the fence be above those of the pointers that it will move.

    It was drawn before the claims were had; others may have come in between.
    """
    mine = {place: fence for place, fence in taken.items() if isinstance(fence, int)}
    seen = max((current[p].fence for p in mine if p in current), default=0)
    fence = max(mine.values(), default=0)
    if seen < fence or not mine:
        return taken
    return {**taken, **dict.fromkeys(mine, renew(turn, who, fence, seen))}


def _judge(
    wanted: Wanted,
    taken: Mapping[Place, int | tuple[str, str]],
    current: Mapping[Place, Pointer],
    pipeline: str,
    lost: Mapping[At, int],
) -> Claimed:
    place = (wanted.asset, wanted.key)
    version = current[place].version if place in current else None
    if wanted.reusable and version is not None:
        return Claimed(reused=version)
    mine = taken[place]
    if not isinstance(mine, int):
        return Claimed(busy=mine)
    attempt = draw_attempt(pipeline, wanted, mine)
    return Claimed(attempt=attempt, lost=lost.get(wanted.cell, 0))


def _inputs(
    turn: Turn, wanted: Sequence[Wanted], cells: Cells
) -> dict[At, Version | None]:
    """Read the versions that this run made, or took, of what is read."""
    read = {i: cells[i] for w in wanted for i in w.inputs if i in cells}
    ids = {i: version for i, (_, version) in read.items() if version is not None}
    absent = {i: None for i, (state, _) in read.items() if state == State.BYPASSED}
    found = versions_by_id(turn.conn, turn.dialect, ids.values())
    return absent | {i: found[v] for i, v in ids.items() if v in found}
