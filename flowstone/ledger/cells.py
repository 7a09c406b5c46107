"""The cells of a run: how each was settled, and with which version."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import select

from flowstone.core.table import State
from flowstone.ledger.base import Commit, Wanted
from flowstone.ledger.rows import error_text
from flowstone.ledger.schema import run_nodes
from flowstone.ledger.turn import Turn

__all__ = [
    "At",
    "Cells",
    "is_held",
    "is_made",
    "read_cells",
    "settle_cells",
]

At = tuple[int, int]
"""A node and a key number."""
Cells = Mapping[At, tuple[int, str | None]]
"""The state and the version of each cell that was settled."""

_CONFLICT = (
    "(run, key_number, node) DO UPDATE SET state = excluded.state, "
    "version = excluded.version, reason = excluded.reason, error = excluded.error "
    # The first version stays, whatever comes late.
    "WHERE flowstone_run_nodes.version IS NULL"
)


def read_cells(turn: Turn, run: str, cells: Collection[At]) -> Cells:
    """Read how a run has settled cells."""
    query = select(
        run_nodes.c.node,
        run_nodes.c.key_number,
        run_nodes.c.state,
        run_nodes.c.version,
    ).where(
        run_nodes.c.run == run,
        turn.dialect.among(run_nodes.c.key_number, sorted({k for _, k in cells})),
        turn.dialect.among(run_nodes.c.node, sorted({n for n, _ in cells})),
    )
    rows = turn.conn.execute(query)
    return {(node, key): (state, version) for node, key, state, version in rows}


def is_made(wanted: Wanted, cells: Cells) -> bool:
    """Tell whether the run has a version of a cell."""
    state, version = cells.get(wanted.cell, (0, None))
    return state in {State.MADE, State.REUSED} and version is not None


def is_held(wanted: Wanted, cells: Cells) -> bool:
    """Tell whether a cell waits at a gate that is not being settled."""
    state, _ = cells.get(wanted.cell, (0, None))
    return state == State.WAITING and not wanted.gate


def settle_cells(turn: Turn, run: str, commit: Commit) -> None:
    """Write how the cells of a commit were settled."""
    rows = [
        *(_row(run, h.wanted, State.WAITING, None, h.gate) for h in commit.holding),
        *(_row(run, m.wanted, State.MADE, m.attempt.id) for m in commit.making),
        *(_row(run, p.wanted, State.MADE, p.version) for p in commit.publishing),
        *(_row(run, w, State.REUSED, v.id) for w, v in commit.reusing),
        *(
            _row(run, e.wanted, State.BYPASSED, None, e.reason)
            for e in commit.ending
            if e.state == "skipped"
        ),
        *(
            _row(run, e.wanted, State.FAILED, None, "", error_text(e.error))
            for e in commit.ending
            if e.state == "failed"
        ),
    ]
    turn.dialect.insert(turn.conn, run_nodes, rows, _CONFLICT)


def _row(
    run: str,
    wanted: Wanted,
    state: State,
    version: str | None,
    reason: str = "",
    error: str | None = None,
) -> dict[str, object]:
    return {
        "run": run,
        "key_number": wanted.key_number,
        "node": wanted.node,
        "state": int(state),
        "version": version,
        "reason": reason,
        "error": error,
    }
