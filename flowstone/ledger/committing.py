"""Committing a pack: make values visible, with all that is said of them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from flowstone.ledger.attempts import end_attempts
from flowstone.ledger.base import Commit, Dispatch, Making
from flowstone.ledger.cells import is_made, read_cells, settle_cells
from flowstone.ledger.claims import fences, free
from flowstone.ledger.closing import close_run
from flowstone.ledger.dialect import Dialect
from flowstone.ledger.gates import open_gates
from flowstone.ledger.rows import dump, event_row
from flowstone.ledger.schema import audit, events
from flowstone.ledger.turn import Turn
from flowstone.ledger.versions import add_versions

__all__ = ["commit_pack"]

Verdicts = dict[tuple[int, int], str]


def commit_pack(
    conn: Connection, dialect: Dialect, who: Dispatch, pipeline: str, commit: Commit
) -> Verdicts:
    """Commit a pack within a transaction; see `Packs.commit`."""
    turn = Turn.take(conn, dialect, pipeline)
    verdicts = _verdicts(turn, who, commit)
    good = [m for m in commit.making if verdicts[m.wanted.cell] == "committed"]
    held = [h for h in commit.holding if verdicts[h.wanted.cell] == "held"]
    add_versions(turn, who, good)
    settle_cells(turn, who.run, commit, good=good, held=held)
    end_attempts(turn, commit, verdicts)
    open_gates(turn, who, held)
    dialect.insert(conn, events, [event_row(e, turn.at) for e in commit.news])
    if good:
        dialect.insert(conn, audit, [_audit(turn, who, good)])
    free(turn, who, only=None if commit.release else [m.wanted for m in good])
    refused = set(verdicts.values()) & {"made", "superseded", "left"}
    if commit.end_run and not refused:
        close_run(turn, who.run, "succeeded")
    return verdicts


def _verdicts(turn: Turn, who: Dispatch, commit: Commit) -> Verdicts:
    """Lock the claims, and tell which of them are still this dispatch's."""
    if not commit.making and not commit.holding:
        return {}
    mine = fences(turn, who)
    found: Verdicts = {}
    for one, good in (
        *((m, "committed") for m in commit.making),
        *((h, "held") for h in commit.holding),
    ):
        want = one.wanted
        ours = mine.get((want.asset, want.key)) == one.attempt.fence
        found[want.cell] = good if ours else "superseded"
    wanted = [one.wanted for one in (*commit.making, *commit.holding)]
    late = [w for w in wanted if found[w.cell] == "superseded"]
    if late:
        made = read_cells(turn.conn, turn.dialect, who.run, {w.cell for w in late})
        found |= {w.cell: "made" for w in late if is_made(w, made)}
        _poison(commit.making, found)
    return found


def _poison(making: Sequence[Making], found: Verdicts) -> None:
    """Leave what was made from a value that is not this run's after all."""
    lost = {m.attempt.id for m in making if found[m.wanted.cell] != "committed"}
    for made in making:
        reads = {version for _, version in made.reads}
        if found[made.wanted.cell] == "committed" and reads & lost:
            found[made.wanted.cell] = "left"
            lost.add(made.attempt.id)


def _audit(turn: Turn, who: Dispatch, good: Sequence[Making]) -> dict[str, object]:
    return {
        "at": turn.at,
        "actor": "worker",
        "action": "versions.commit",
        "subject": who.workflow,
        "run": who.run,
        "data": dump({"versions": len(good), "first": good[0].attempt.id}),
    }
