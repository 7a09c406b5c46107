"""Opening a pack: take what may be made now, and read what it is made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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
from flowstone.ledger.batch import Answer, Batch
from flowstone.ledger.cells import At, Cells, is_held, is_made, read_cells
from flowstone.ledger.claims import Place, free, lock_claims, renew, take, wait_for
from flowstone.ledger.dialect import Dialect
from flowstone.ledger.rows import version_of
from flowstone.ledger.schema import attempts, run_nodes, runs, versions
from flowstone.ledger.turn import Turn
from flowstone.ledger.versions import (
    Pointer,
    ask_fences,
    ask_pointers,
    pointers_of,
)

__all__ = ["open_pack", "open_within"]

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
    with dialect.together(conn) as send:
        asked = send.ask(_ask_status, {"of": who.run})
        at, fence = send.clock(), send.fence()
    status = next((str(found) for (found,) in asked.rows()), "forgotten")
    if status not in LIVE:
        return Opened(closed=status)
    turn = Turn(conn=conn, dialect=dialect, pipeline=pipeline, at=at())
    return open_within(turn, who, wanted, fence=fence(), rerun=rerun)


def open_within(
    turn: Turn,
    who: Dispatch,
    wanted: Sequence[Wanted],
    *,
    fence: int,
    rerun: bool = False,
) -> Opened:
    """Open a pack of a run that lives, and whose row is locked.

    Args:
        turn: the transaction.
        who: the dispatch that asks.
        wanted: the cells to make, in order.
        fence: a number that was drawn.
        rerun: as for `Packs.open`.
    """
    lost = lose_attempts(turn, who, wanted) if who.attempt > 1 else {}
    if rerun:
        return _rerun(turn, who, wanted)
    taken, seen = _take(turn, who, wanted, fence)
    taken = _above(turn, who, taken, seen.pointers)
    found = [
        _known(w, seen) or _judge(w, taken, seen.pointers, turn.pipeline, lost)
        for w in wanted
    ]
    begin_attempts(turn, who, wanted, found)
    return Opened(cells=found, inputs=_inputs(wanted, seen))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What was found with the claims in hand: whoever had them has committed.

    Attributes:
        cells: how cells and their inputs are settled.
        late: the cells that a later attempt of the dispatch has overtaken.
        pointers: what readers see of what is wanted.
        inputs: the versions that the run has of what is read, by id.
    """

    cells: Cells
    late: set[At]
    pointers: Mapping[Place, Pointer]
    inputs: Mapping[str, Version]


def _take(
    turn: Turn, who: Dispatch, wanted: Sequence[Wanted], fence: int
) -> tuple[Mapping[Place, int | tuple[str, str]], _Seen]:
    """Take claims, or have those who have them ring; and look at what there is."""
    with turn.together() as send:
        mine = take(send, turn, who, wanted, fence)
        look = _look(send, turn, who, wanted)
    taken: dict[Place, int | tuple[str, str]] = {
        (str(asset), str(key)): fence for asset, key in mine.rows()
    }
    places = sorted({(w.asset, w.key) for w in wanted} - taken.keys())
    if places:
        taken |= wait_for(turn, who, places, fence)
        # Whoever let go of one before it was waited for rings nobody: look again.
        with turn.together() as send:
            look = _look(send, turn, who, wanted)
    return taken, look()


def _ask_status(dialect: Dialect) -> Select[str]:
    query = select(runs.c.status).where(runs.c.id == bindparam("of"))
    return dialect.locked(query, share=True)


def _rerun(turn: Turn, who: Dispatch, wanted: Sequence[Wanted]) -> Opened:
    """Let go of everything, and tell what is settled."""
    locked = lock_claims(turn, who)
    cells = read_cells(turn, who.run, {w.cell for w in wanted})
    seen = _Seen(cells=cells, late=set(), pointers={}, inputs={})
    found = [_known(w, seen) or Claimed() for w in wanted]
    left = [w for w, c in zip(wanted, found, strict=True) if not c.settled]
    leave_attempts(turn, who, left)
    free(turn, who, locked)
    return Opened(cells=found)


def _look(
    send: Batch, turn: Turn, who: Dispatch, wanted: Sequence[Wanted]
) -> Callable[[], _Seen]:
    """Ask for all that is said of cells and of what they read."""
    read = {i for w in wanted for i in w.inputs}
    places = {w.cell for w in wanted} | read
    parameters = {
        **who._asdict(),
        "nodes": sorted({n for n, _ in places}),
        "keys": sorted({k for _, k in places}),
        "my_nodes": sorted({w.node for w in wanted}),
        "my_keys": sorted({w.key_number for w in wanted}),
    }
    asked = send.ask(_ask_cells, parameters)
    inputs = Answer.empty()
    if read:
        parameters = {
            "run": who.run,
            "nodes": sorted({n for n, _ in read}),
            "keys": sorted({k for _, k in read}),
        }
        inputs = send.ask(_ask_inputs, parameters)
    # Of what is made anyway, only how new it is.
    good = [(w.asset, w.key) for w in wanted if w.reusable]
    anew = [(w.asset, w.key) for w in wanted if not w.reusable]
    shown, fences = ask_pointers(send, turn, good), ask_fences(send, turn, anew)

    def seen() -> _Seen:
        cells, late = _told_apart(asked)
        versions = map(version_of, inputs.records())
        return _Seen(
            cells=cells,
            late=late,
            pointers=pointers_of(shown, fences),
            inputs={v.id: v for v in versions},
        )

    return seen


def _told_apart(asked: Answer) -> tuple[Cells, set[At]]:
    """Tell cells that are settled from those that were overtaken."""
    cells: dict[At, tuple[int, str | None]] = {}
    late: set[At] = set()
    for node, key, state, version in asked.rows():
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


def _ask_inputs(dialect: Dialect) -> Select[*tuple[Any, ...]]:
    joined = run_nodes.join(versions, run_nodes.c.version == versions.c.id)
    return (
        select(versions)
        .select_from(joined)
        .where(
            run_nodes.c.run == bindparam("run"),
            dialect.listed(run_nodes.c.key_number, "keys"),
            dialect.listed(run_nodes.c.node, "nodes"),
        )
    )


def _known(wanted: Wanted, seen: _Seen) -> Claimed | None:
    """Tell what is settled without being made."""
    if is_made(wanted, seen.cells):
        return Claimed(made=True)
    if is_held(wanted, seen.cells):
        return Claimed(held=True)
    return Claimed(superseded=True) if wanted.cell in seen.late else None


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


def _inputs(wanted: Sequence[Wanted], seen: _Seen) -> dict[At, Version | None]:
    """Give the versions that this run made, or took, of what is read."""
    read = {i: seen.cells[i] for w in wanted for i in w.inputs if i in seen.cells}
    absent = {i: None for i, (state, _) in read.items() if state == State.BYPASSED}
    return absent | {
        i: seen.inputs[version]
        for i, (_, version) in read.items()
        if version is not None and version in seen.inputs
    }
