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
from flowstone.ledger.batch import Answer, Batch
from flowstone.ledger.dialect import Dialect
from flowstone.ledger.fences import draw_fence, keep_above
from flowstone.ledger.outbox import ring
from flowstone.ledger.schema import claims, waiters
from flowstone.ledger.turn import Turn

__all__ = [
    "Claim",
    "Place",
    "ask_claims",
    "ask_claims_of_run",
    "claims_of",
    "free",
    "free_run",
    "hold",
    "let_go",
    "lock_claims",
    "release",
    "renew",
    "ring_those",
    "seize",
    "take",
    "wait_for",
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
    send: Batch, turn: Turn, who: Dispatch, wanted: Sequence[Wanted], fence: int
) -> Answer:
    """Take the claims of cells that are free, or that an earlier dispatch left.

    Returns:
        The (asset, key) of those that were taken; `wait_for` the others.
    """
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
        for w in sorted(wanted, key=_place)
    ]
    return send.insert(claims, rows, _TAKE, ("asset", "key"))


def _place(wanted: Wanted) -> Place:
    return (wanted.asset, wanted.key)


def _policy(wanted: Wanted) -> str:
    """Say what may be taken from others: a claim that waits at a gate, or nothing."""
    if wanted.gate:
        return "settle"
    return "missing" if wanted.reusable else "always"


def wait_for(
    turn: Turn, who: Dispatch, places: Sequence[Place], fence: int
) -> dict[Place, tuple[str, str]]:
    """Tell who has claims, and be told when they are free.

    Returns:
        For each who has it: the run, and the gate at which it waits (empty where it is
        being made).
    """
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
    with turn.together() as send:
        locked = ask_claims(send, who)
    return claims_of(locked)


def ask_claims(send: Batch, who: Dispatch) -> Answer:
    """Ask for the claims of a dispatch, and lock them."""
    return send.ask(_lock, who._asdict())


def claims_of(answer: Answer) -> dict[Place, Claim]:
    """Read what `ask_claims` found."""
    return {
        (asset, key): Claim(fence=fence, attempt=attempt, held=gate is not None)
        for asset, key, fence, attempt, gate in answer.rows()
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
    with turn.together() as send:
        rung = let_go(send, turn, who, locked, only=only)
    ring_those(turn, rung)


def let_go(
    send: Batch,
    turn: Turn,
    who: Dispatch,
    locked: Mapping[Place, Claim],
    *,
    only: Collection[Place] | None = None,
) -> Answer:
    """Do what `free` does; `ring_those` is to follow."""
    freed = [
        place
        for place, claim in locked.items()
        if claim.attempt <= who.attempt
        and not claim.held
        and (only is None or place in only)
    ]
    return _let_go(send, turn, freed)


def ring_those(turn: Turn, waiting: Answer) -> None:
    """Ring whoever waited for claims that were let go, once each."""
    ring(turn, sorted({(workflow, run) for workflow, run in waiting.rows()}))


def free_run(turn: Turn, places: Sequence[Place]) -> None:
    """Let go of claims that are locked, gates included."""
    with turn.together() as send:
        waiting = _let_go(send, turn, places)
    ring_those(turn, waiting)


def ask_claims_of_run(send: Batch, run: str) -> Answer:
    """Ask for the (asset, key) of all that a run has claimed, lock them, wait no more."""
    found = send.ask(_lock_run, {"of": run})
    send.ask(_wait_no_more, {"of": run})
    return found


def _lock_run(dialect: Dialect) -> Select[*tuple[Any, ...]]:
    query = select(claims.c.asset, claims.c.key).where(claims.c.run == bindparam("of"))
    return dialect.locked(query.order_by(claims.c.asset, claims.c.key))


def _wait_no_more(_: Dialect) -> Delete:
    return delete(waiters).where(waiters.c.run == bindparam("of"))


def _let_go(send: Batch, turn: Turn, places: Sequence[Place]) -> Answer:
    """Delete claims that are locked; give those that wait for them."""
    if not places:
        return Answer.empty()
    parameters = turn.dialect.pairs_as("places", places)
    send.ask(_delete, parameters)
    return send.ask(_take_waiters, parameters)


def _delete(dialect: Dialect) -> Delete:
    return delete(claims).where(dialect.paired(claims.c.asset, claims.c.key, "places"))


def _take_waiters(dialect: Dialect) -> ReturningDelete[*tuple[Any, ...]]:
    return (
        delete(waiters)
        .where(dialect.paired(waiters.c.asset, waiters.c.key, "places"))
        .returning(waiters.c.workflow, waiters.c.run)
    )
