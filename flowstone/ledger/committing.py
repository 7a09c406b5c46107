"""Committing a pack: make values visible, with all that is said of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection, select

from flowstone.core.events import ApprovalRequested, Event
from flowstone.ledger.attempts import end_attempts
from flowstone.ledger.audit import write_audit
from flowstone.ledger.base import (
    Commit,
    Committed,
    Dispatch,
    Holding,
    Making,
    Publishing,
    Wanted,
)
from flowstone.ledger.batch import Answer
from flowstone.ledger.cells import At, is_made, read_cells, settle_cells
from flowstone.ledger.claims import (
    Claim,
    Place,
    ask_claims,
    claims_of,
    let_go,
    ring_those,
)
from flowstone.ledger.closing import ask_run, close_run, recorded_end, run_of
from flowstone.ledger.dialect import Dialect
from flowstone.ledger.gates import open_gates
from flowstone.ledger.rows import event_row
from flowstone.ledger.schema import attempts, events, runs
from flowstone.ledger.turn import Turn
from flowstone.ledger.versions import add_held, add_versions, held_reads

__all__ = ["commit_pack", "find_commit"]

Verdicts = dict[At, str]
"""What became of cells."""

_GOOD = {"committed", "held"}


def commit_pack(
    conn: Connection, dialect: Dialect, who: Dispatch, pipeline: str, commit: Commit
) -> Committed:
    """Commit a pack within a transaction; see `Packs.commit`."""
    with dialect.together(conn) as send:
        at = send.clock()
        # The run's row comes before its claims, as it does for whoever else ends it.
        asked = ask_run(send, who.run) if commit.end_run else Answer.empty()
        mine = ask_claims(send, who)
    turn = Turn(conn=conn, dialect=dialect, pipeline=pipeline, at=at())
    run, locked = run_of(asked), claims_of(mine)
    verdicts = _verdicts(turn, who, commit, locked)
    if run is not None and not run.live:
        verdicts |= {w.cell: "superseded" for w, _ in commit.reusing}
    good = _accepted(commit, verdicts)
    held = held_reads(turn, good.making)
    rounds = open_gates(turn, who, good.holding)
    ends = run if set(verdicts.values()) <= _GOOD else None
    told = [_named(event, rounds) for event in good.news]
    with turn.together() as send:
        add_versions(turn, who, good.making, held, good.publishing)
        add_held(turn, who, good.holding, rounds)
        settle_cells(turn, who.run, good)
        end_attempts(turn, commit, verdicts)
        _write_audit(turn, who, good)
        waiting = let_go(send, turn, who, locked, only=_consumed(good, locked))
        if ends is None or not ends.live:
            send.insert(events, [event_row(e, turn.at) for e in told])
    ring_those(turn, waiting)
    if ends is not None and ends.live:
        told = close_run(turn, ends, "succeeded", news=told)
    return Committed(verdicts=verdicts, news=told)


def find_commit(
    conn: Connection, dialect: Dialect, who: Dispatch, pipeline: str, commit: Commit
) -> Committed | None:
    """Tell what became of a commit whose outcome is not known, if it took effect."""
    turn = Turn.take(conn, dialect, pipeline)
    ids = {one.attempt.id: one.wanted for one in (*_ends(commit), *commit.ending)}
    query = select(attempts.c.id, attempts.c.state).where(
        dialect.among(attempts.c.id, sorted(ids))
    )
    # Shared, so that a commit that is still under way is waited for.
    rows = conn.execute(dialect.locked(query, share=True))
    states = {r.id: str(r.state) for r in rows}
    if set(states.values()) <= {"open", "lost"} and not _has_ended(conn, who, commit):
        return None
    found = {
        ids[i].cell: state if state in _GOOD else "superseded"
        for i, state in states.items()
        if state in {*_GOOD, "discarded"}
    }
    verdicts = _tell_made(turn, who, list(ids.values()), found)
    news = [*_accepted(commit, verdicts).news]
    if _has_ended(conn, who, commit):
        news += recorded_end(turn, who.run)
    return Committed(verdicts=verdicts, news=news)


def _has_ended(conn: Connection, who: Dispatch, commit: Commit) -> bool:
    """Tell whether a commit that says nothing but the end of its run has ended it."""
    query = select(runs.c.status).where(runs.c.id == who.run)
    return commit.end_run and conn.execute(query).scalar() == "succeeded"


def _verdicts(
    turn: Turn, who: Dispatch, commit: Commit, locked: Mapping[Place, Claim]
) -> Verdicts:
    """Tell which cells are still this dispatch's to commit; of ends, which are not."""
    found: Verdicts = {}
    for one, good in (
        *((m, "committed") for m in (*commit.making, *commit.publishing)),
        *((h, "held") for h in commit.holding),
        *((e, "") for e in commit.ending),
    ):
        claim = locked.get(_place(one.wanted))
        if claim is None or claim.fence != one.attempt.fence:
            found[one.wanted.cell] = "superseded"
        elif good:
            found[one.wanted.cell] = good
    if "superseded" not in found.values():
        return found
    named = [o.wanted for o in (*_ends(commit), *commit.ending)]
    found = _tell_made(turn, who, named, found)
    _poison(commit.making, found)
    return found


def _tell_made(
    turn: Turn, who: Dispatch, wanted: Sequence[Wanted], found: Verdicts
) -> Verdicts:
    """Tell those that were superseded within their run from those that it lacks."""
    late = [w for w in wanted if found.get(w.cell) == "superseded"]
    if not late:
        return found
    cells = read_cells(turn, who.run, {w.cell for w in late})
    return found | {w.cell: "made" for w in late if is_made(w, cells)}


def _poison(making: Sequence[Making], found: Verdicts) -> None:
    """Leave what was made from a value that is not this run's after all."""
    lost = {m.attempt.id for m in making if found[m.wanted.cell] != "committed"}
    for made in making:
        reads = {version for _, version in made.reads}
        if found[made.wanted.cell] == "committed" and reads & lost:
            found[made.wanted.cell] = "left"
            lost.add(made.attempt.id)


def _accepted(commit: Commit, verdicts: Verdicts) -> Commit:
    """Give what of a commit takes effect; nothing is said of what does not."""
    refused = {cell for cell, verdict in verdicts.items() if verdict not in _GOOD}
    if not refused:
        return commit
    late = [o.wanted for o in (*_ends(commit), *commit.ending)]
    unsaid = {(w.asset.split("/", 1)[-1], w.key) for w in late if w.cell in refused}

    def is_true(event: Event) -> bool:
        return not event.outcome or (event.asset, event.key) not in unsaid

    return replace(
        commit,
        making=[m for m in commit.making if m.wanted.cell not in refused],
        reusing=[(w, v) for w, v in commit.reusing if w.cell not in refused],
        ending=[e for e in commit.ending if e.wanted.cell not in refused],
        holding=[h for h in commit.holding if h.wanted.cell not in refused],
        publishing=[p for p in commit.publishing if p.wanted.cell not in refused],
        news=[event for event in commit.news if is_true(event)],
    )


def _consumed(good: Commit, locked: Mapping[Place, Claim]) -> Collection[Place]:
    """Give the claims that end with a commit: those that now wait at a gate go on."""
    if good.release:
        return locked.keys() - {_place(h.wanted) for h in good.holding}
    return {_place(m.wanted) for m in (*good.making, *good.publishing)}


def _named(event: Event, rounds: Mapping[str, int]) -> Event:
    """Have an approval that was asked for bear its id, which only its row could tell."""
    gate = event.approval if isinstance(event, ApprovalRequested) else None
    if gate is None or gate not in rounds:
        return event
    return replace(event, approval=f"{gate}.{rounds[gate]}")  # pyright: ignore[reportCallIssue]


def _ends(commit: Commit) -> Sequence[Making | Holding | Publishing]:
    """Give what of a commit is told a verdict."""
    return (*commit.making, *commit.holding, *commit.publishing)


def _place(wanted: Wanted) -> Place:
    return (wanted.asset, wanted.key)


def _write_audit(turn: Turn, who: Dispatch, good: Commit) -> None:
    shown = [m.attempt.id for m in good.making] + [p.version for p in good.publishing]
    if not shown:
        return
    data = {"versions": len(shown), "first": shown[0]}
    write_audit(
        turn,
        "versions.commit",
        [who.workflow],
        actor="worker",
        run=who.run,
        data=data,
    )
