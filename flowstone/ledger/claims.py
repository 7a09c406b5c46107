"""Claims: who may make an asset at a key now; and who waits for them.

Statements over several claims go in the order (asset, key): unordered, transactions
that want the same ones deadlock.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, delete, select, update

from flowstone.ledger.base import Dispatch, Holding, Wanted
from flowstone.ledger.schema import claims, outbox, waiters
from flowstone.ledger.turn import Turn

__all__ = ["fences", "free", "free_run", "hold", "take"]

_TAKE = """
(asset, key) DO UPDATE SET
    run = excluded.run, workflow = excluded.workflow, dispatch = excluded.dispatch,
    attempt = excluded.attempt, fence = excluded.fence, policy = excluded.policy,
    taken_at = excluded.taken_at, gate = NULL
WHERE (
    flowstone_claims.run = excluded.run
    AND flowstone_claims.workflow = excluded.workflow
    AND (flowstone_claims.dispatch < excluded.dispatch
         OR (flowstone_claims.dispatch = excluded.dispatch
             AND flowstone_claims.attempt < excluded.attempt))
) OR (flowstone_claims.gate IS NOT NULL AND excluded.policy = 'always')
"""


def take(
    turn: Turn, who: Dispatch, wanted: Sequence[Wanted]
) -> dict[tuple[str, str], int | tuple[str, str]]:
    """Take the claims of cells that are free, or that an earlier dispatch left.

    Returns:
        For each (asset, key) the fence it was taken with, or who has it: the run,
        and the gate at which it waits (empty where it is being made).
    """
    if not wanted:
        return {}
    fence = turn.dialect.fence(turn.conn)
    ordered = sorted(wanted, key=lambda w: (w.asset, w.key))
    rows = [
        {
            "asset": w.asset,
            "key": w.key,
            "run": who.run,
            "workflow": who.workflow,
            "dispatch": who.dispatch,
            "attempt": who.attempt,
            "fence": fence,
            "policy": "missing" if w.reusable else "always",
            "taken_at": turn.at,
        }
        for w in ordered
    ]
    mine = turn.dialect.insert_returning(
        turn.conn, claims, rows, _TAKE, ("asset", "key")
    )
    found: dict[tuple[str, str], int | tuple[str, str]] = {
        (str(asset), str(key)): fence for asset, key in mine
    }
    others = [w for w in ordered if (w.asset, w.key) not in found]
    if others:
        found |= _owners(turn, who, others)
    return found


def _owners(
    turn: Turn, who: Dispatch, wanted: Sequence[Wanted]
) -> dict[tuple[str, str], tuple[str, str]]:
    """Tell who has the claims, and be told when they are free."""
    turn.dialect.insert(
        turn.conn,
        waiters,
        [
            {"asset": w.asset, "key": w.key, "workflow": who.workflow, "run": who.run}
            for w in wanted
        ],
        "DO NOTHING",
    )
    among = turn.dialect.among
    query = select(claims.c.asset, claims.c.key, claims.c.run, claims.c.gate).where(
        among(claims.c.asset, sorted({w.asset for w in wanted})),
        among(claims.c.key, sorted({w.key for w in wanted})),
    )
    owners = {(a, k): (run, gate or "") for a, k, run, gate in turn.conn.execute(query)}
    return {
        (w.asset, w.key): owners.get((w.asset, w.key), ("another", "")) for w in wanted
    }


def fences(turn: Turn, who: Dispatch) -> dict[tuple[str, str], int]:
    """Lock the claims of a dispatch; give the fence of each."""
    query = turn.dialect.locked(
        select(claims.c.asset, claims.c.key, claims.c.fence)
        .where(
            claims.c.run == who.run,
            claims.c.workflow == who.workflow,
            claims.c.dispatch == who.dispatch,
        )
        .order_by(claims.c.asset, claims.c.key)
    )
    return {(a, k): fence for a, k, fence in turn.conn.execute(query)}


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


def free(turn: Turn, who: Dispatch, *, only: Sequence[Wanted] | None = None) -> None:
    """Let go of a dispatch's claims, but for those that wait at a gate."""
    mine = [
        claims.c.run == who.run,
        claims.c.workflow == who.workflow,
        claims.c.dispatch == who.dispatch,
        claims.c.attempt <= who.attempt,
        claims.c.gate.is_(None),
    ]
    if only is not None:
        if not only:
            return
        among = turn.dialect.among
        mine.append(among(claims.c.asset, sorted({w.asset for w in only})))
        mine.append(among(claims.c.key, sorted({w.key for w in only})))
    kept = None if only is None else {(w.asset, w.key) for w in only}
    _let_go(turn, mine, kept)


def free_run(turn: Turn, run: str) -> None:
    """Let go of all that a run has claimed, gates included, and of its waiting."""
    _let_go(turn, [claims.c.run == run], None)
    turn.conn.execute(delete(waiters).where(waiters.c.run == run))


def _let_go(
    turn: Turn,
    which: Sequence[ColumnElement[bool]],
    only: set[tuple[str, str]] | None,
) -> None:
    conn = turn.conn
    query = turn.dialect.locked(
        select(claims.c.asset, claims.c.key)
        .where(*which)
        .order_by(claims.c.asset, claims.c.key)
    )
    found = [(a, k) for a, k in conn.execute(query)]
    if only is not None and set(found) - only:
        # Assets and keys were matched apart; a cell between them may not be meant.
        found = [place for place in found if place in only]
        for asset, key in found:
            conn.execute(
                delete(claims).where(claims.c.asset == asset, claims.c.key == key)
            )
    elif found:
        conn.execute(delete(claims).where(*which))
    if found:
        _ring(turn, found)


def _ring(turn: Turn, freed: Sequence[tuple[str, str]]) -> None:
    """Ring those that wait for freed claims, once each."""
    among = turn.dialect.among
    query = select(waiters).where(
        among(waiters.c.asset, sorted({a for a, _ in freed})),
        among(waiters.c.key, sorted({k for _, k in freed})),
    )
    rows = [r for r in turn.conn.execute(query) if (r.asset, r.key) in set(freed)]
    for row in rows:
        turn.conn.execute(
            delete(waiters).where(
                waiters.c.asset == row.asset,
                waiters.c.key == row.key,
                waiters.c.workflow == row.workflow,
            )
        )
    turn.dialect.insert(
        turn.conn,
        outbox,
        [
            {
                "pipeline": turn.pipeline,
                "workflow": workflow,
                "run": run,
                "gate": "",
                "due_at": turn.at,
                "tries": 0,
            }
            for workflow, run in sorted({(r.workflow, r.run) for r in rows})
        ],
    )
