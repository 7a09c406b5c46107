"""Claims: who may make an asset at a key now; and who waits for them.

Statements over several claims go in the order (asset, key): unordered, transactions
that want the same ones deadlock.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Delete, Select, bindparam, delete, select, update
from sqlalchemy.sql.dml import ReturningDelete

from flowstone.ledger.base import Dispatch, Holding, Wanted
from flowstone.ledger.dialect import Dialect
from flowstone.ledger.fences import draw_fence, keep_above
from flowstone.ledger.outbox import ring
from flowstone.ledger.schema import claims, waiters
from flowstone.ledger.turn import Turn

__all__ = [
    "Claim",
    "Place",
    "free",
    "free_run",
    "hold",
    "lock_claims",
    "release",
    "renew",
    "seize",
    "take",
]

Place = tuple[str, str]
"""An asset and a key's text."""

_TAKE = """
(asset, key) DO UPDATE SET
    run = excluded.run, workflow = excluded.workflow, dispatch = excluded.dispatch,
    attempt = excluded.attempt, fence = excluded.fence, policy = excluded.policy,
    taken_at = excluded.taken_at, gate = NULL
WHERE flowstone_claims.fence < excluded.fence AND ((
    flowstone_claims.run = excluded.run
    AND flowstone_claims.workflow = excluded.workflow
    AND (flowstone_claims.gate IS NULL OR excluded.policy = 'settle')
    AND (flowstone_claims.dispatch < excluded.dispatch
         OR (flowstone_claims.dispatch = excluded.dispatch
             AND flowstone_claims.attempt < excluded.attempt))
) OR (
    flowstone_claims.gate IS NOT NULL
    AND flowstone_claims.run <> excluded.run
    AND excluded.policy <> 'missing'
))
"""

_LOCK = "(asset, key) DO UPDATE SET run = excluded.run WHERE FALSE"
"""Changes nothing, and locks what is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A claim of one's own, locked."""

    fence: int
    attempt: int
    held: bool


def take(
    turn: Turn, who: Dispatch, wanted: Sequence[Wanted]
) -> dict[Place, int | tuple[str, str]]:
    """Take the claims of cells that are free, or that an earlier dispatch left.

    Returns:
        For each (asset, key) the fence it was taken with, or who has it: the run,
        and the gate at which it waits (empty where it is being made).
    """
    if not wanted:
        return {}
    fence = draw_fence(turn)
    ordered = sorted(wanted, key=_place)
    rows = [
        {
            "asset": w.asset,
            "key": w.key,
            "run": who.run,
            "workflow": who.workflow,
            "dispatch": who.dispatch,
            "attempt": who.attempt,
            "fence": fence,
            "policy": _policy(w),
            "taken_at": turn.at,
        }
        for w in ordered
    ]
    mine = turn.dialect.insert_returning(
        turn.conn, claims, rows, _TAKE, ("asset", "key")
    )
    found: dict[Place, int | tuple[str, str]] = {
        (str(asset), str(key)): fence for asset, key in mine
    }
    others = [_place(w) for w in ordered if _place(w) not in found]
    if others:
        found |= _owners(turn, who, others, fence)
    return found


def _place(wanted: Wanted) -> Place:
    return (wanted.asset, wanted.key)


def _policy(wanted: Wanted) -> str:
    """Say what may be taken from others: a claim that waits at a gate, or nothing."""
    if wanted.gate:
        return "settle"
    return "missing" if wanted.reusable else "always"


def _owners(
    turn: Turn, who: Dispatch, places: Sequence[Place], fence: int
) -> dict[Place, tuple[str, str]]:
    """Tell who has the claims, and be told when they are free."""
    rows = turn.conn.execute(
        select(
            claims.c.asset, claims.c.key, claims.c.run, claims.c.gate, claims.c.fence
        ).where(turn.dialect.pairs(claims.c.asset, claims.c.key, places))
    ).all()
    owners = {(r.asset, r.key): (r.run, r.gate or "") for r in rows}
    found = {place: owners.get(place, ("another", "")) for place in places}
    # Who waits at a gate of its own is rung by that.
    waits = [p for p, (run, gate) in found.items() if run != who.run or not gate]
    turn.dialect.insert(
        turn.conn,
        waiters,
        [
            {"asset": asset, "key": key, "workflow": who.workflow, "run": who.run}
            for asset, key in waits
        ],
        "(asset, key, workflow) DO UPDATE SET run = excluded.run",
    )
    greatest = max((r.fence for r in rows), default=0)
    if greatest >= fence:
        keep_above(turn, greatest)
    return found


def seize(
    turn: Turn, places: Sequence[Place]
) -> tuple[list[Place], dict[Place, tuple[str, str]]]:
    """Take claims for the rest of a transaction, for no run; lock those of others.

    Returns:
        Those that were free, to be given back by `release`; and who has the others:
        the run, and the gate at which it waits.
    """
    rows = [
        {
            "asset": asset,
            "key": key,
            "run": "",
            "workflow": "",
            "dispatch": 0,
            "attempt": 0,
            "fence": 0,
            "policy": "always",
            "taken_at": turn.at,
        }
        for asset, key in sorted(places)
    ]
    free = turn.dialect.insert_returning(
        turn.conn, claims, rows, _LOCK, ("asset", "key")
    )
    seized = [(str(asset), str(key)) for asset, key in free]
    query = select(claims.c.asset, claims.c.key, claims.c.run, claims.c.gate).where(
        turn.dialect.pairs(claims.c.asset, claims.c.key, places), claims.c.run != ""
    )
    owners = turn.conn.execute(query)
    return seized, {(r.asset, r.key): (r.run, r.gate or "") for r in owners}


def release(turn: Turn, seized: Sequence[Place]) -> None:
    """Give back what was seized; nobody has seen it."""
    if seized:
        pairs = turn.dialect.pairs(claims.c.asset, claims.c.key, seized)
        turn.conn.execute(delete(claims).where(pairs))


def renew(turn: Turn, who: Dispatch, fence: int, seen: int) -> int:
    """Draw another fence for what was just taken, above one that was seen."""
    keep_above(turn, seen)
    drawn = draw_fence(turn)
    turn.conn.execute(
        update(claims)
        .where(
            claims.c.run == who.run,
            claims.c.workflow == who.workflow,
            claims.c.dispatch == who.dispatch,
            claims.c.fence == fence,
        )
        .values(fence=drawn)
    )
    return drawn


def lock_claims(turn: Turn, who: Dispatch) -> dict[Place, Claim]:
    """Lock the claims of a dispatch."""
    rows = turn.conn.execute(turn.dialect.prepared(_lock), who._asdict())
    return {
        (r.asset, r.key): Claim(
            fence=r.fence, attempt=r.attempt, held=r.gate is not None
        )
        for r in rows
    }


def _lock(dialect: Dialect) -> Select[*tuple[Any, ...]]:
    query = (
        select(
            claims.c.asset,
            claims.c.key,
            claims.c.fence,
            claims.c.attempt,
            claims.c.gate,
        )
        .where(
            claims.c.run == bindparam("run"),
            claims.c.workflow == bindparam("workflow"),
            claims.c.dispatch == bindparam("dispatch"),
        )
        .order_by(claims.c.asset, claims.c.key)
    )
    return dialect.locked(query)


def hold(turn: Turn, held: Sequence[Holding]) -> None:
    """Have claims say at which gate their cells wait."""
    for one in held:
        turn.conn.execute(
            update(claims)
            .where(
                claims.c.asset == one.wanted.asset,
                claims.c.key == one.wanted.key,
                claims.c.fence == one.attempt.fence,
            )
            .values(gate=one.gate)
        )


def free(
    turn: Turn,
    who: Dispatch,
    locked: Mapping[Place, Claim],
    *,
    only: Collection[Place] | None = None,
) -> None:
    """Let go of a dispatch's claims, but for those that wait at a gate.

    Args:
        turn: the transaction.
        who: the dispatch.
        locked: its claims, as `lock_claims` gave them.
        only: which of them; by default all.
    """
    freed = [
        place
        for place, claim in locked.items()
        if claim.attempt <= who.attempt
        and not claim.held
        and (only is None or place in only)
    ]
    _let_go(turn, freed)


def free_run(turn: Turn, run: str) -> None:
    """Let go of all that a run has claimed, gates included, and of its waiting."""
    query = (
        select(claims.c.asset, claims.c.key)
        .where(claims.c.run == run)
        .order_by(claims.c.asset, claims.c.key)
    )
    found = turn.conn.execute(turn.dialect.locked(query))
    _let_go(turn, [(asset, key) for asset, key in found])
    turn.conn.execute(delete(waiters).where(waiters.c.run == run))


def _let_go(turn: Turn, places: Sequence[Place]) -> None:
    """Delete claims that are locked, and ring those that wait for them, once each."""
    if not places:
        return
    parameters = turn.dialect.pairs_as("places", places)
    turn.conn.execute(turn.dialect.prepared(_delete), parameters)
    rung = turn.conn.execute(turn.dialect.prepared(_take_waiters), parameters)
    ring(turn, sorted({(workflow, run) for workflow, run in rung}))


def _delete(dialect: Dialect) -> Delete:
    return delete(claims).where(dialect.paired(claims.c.asset, claims.c.key, "places"))


def _take_waiters(dialect: Dialect) -> ReturningDelete[*tuple[Any, ...]]:
    return (
        delete(waiters)
        .where(dialect.paired(waiters.c.asset, waiters.c.key, "places"))
        .returning(waiters.c.workflow, waiters.c.run)
    )
