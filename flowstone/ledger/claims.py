"""Claims: who may make an asset at a key now; and who waits for them.

Statements over several claims go in the order (asset, key): unordered, transactions
that want the same ones deadlock.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, delete, select

from flowstone.ledger.base import Dispatch, Wanted
from flowstone.ledger.dialect import Dialect
from flowstone.ledger.schema import claims, outbox, waiters

__all__ = ["free", "free_run", "take"]

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
    conn: Connection,
    dialect: Dialect,
    who: Dispatch,
    wanted: Sequence[Wanted],
    at: datetime,
) -> dict[tuple[str, str], int | tuple[str, str]]:
    """Take the claims of cells that are free, or that an earlier dispatch left.

    Returns:
        For each (asset, key) the fence it was taken with, or who has it: the run,
        and the gate at which it waits (empty where it is being made).
    """
    if not wanted:
        return {}
    fence = dialect.fence(conn)
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
            "taken_at": at,
        }
        for w in ordered
    ]
    mine = dialect.insert_returning(conn, claims, rows, _TAKE, ("asset", "key"))
    found: dict[tuple[str, str], int | tuple[str, str]] = {
        (str(asset), str(key)): fence for asset, key in mine
    }
    others = [w for w in ordered if (w.asset, w.key) not in found]
    if others:
        found |= _owners(conn, dialect, who, others)
    return found


def _owners(
    conn: Connection, dialect: Dialect, who: Dispatch, wanted: Sequence[Wanted]
) -> dict[tuple[str, str], tuple[str, str]]:
    """Tell who has the claims, and be told when they are free."""
    dialect.insert(
        conn,
        waiters,
        [
            {"asset": w.asset, "key": w.key, "workflow": who.workflow, "run": who.run}
            for w in wanted
        ],
        "DO NOTHING",
    )
    query = select(claims.c.asset, claims.c.key, claims.c.run, claims.c.gate).where(
        dialect.among(claims.c.asset, sorted({w.asset for w in wanted})),
        dialect.among(claims.c.key, sorted({w.key for w in wanted})),
    )
    owners = {(a, k): (run, gate or "") for a, k, run, gate in conn.execute(query)}
    return {
        (w.asset, w.key): owners.get((w.asset, w.key), ("another", "")) for w in wanted
    }


def free(
    conn: Connection,
    dialect: Dialect,
    who: Dispatch,
    pipeline: str,
    at: datetime,
    *,
    only: Sequence[Wanted] | None = None,
) -> None:
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
        mine.append(dialect.among(claims.c.asset, sorted({w.asset for w in only})))
        mine.append(dialect.among(claims.c.key, sorted({w.key for w in only})))
    kept = None if only is None else {(w.asset, w.key) for w in only}
    _let_go(conn, dialect, mine, pipeline, at, kept)


def free_run(
    conn: Connection, dialect: Dialect, run: str, pipeline: str, at: datetime
) -> None:
    """Let go of all that a run has claimed, gates included, and of its waiting."""
    _let_go(conn, dialect, [claims.c.run == run], pipeline, at, None)
    conn.execute(delete(waiters).where(waiters.c.run == run))


def _let_go(
    conn: Connection,
    dialect: Dialect,
    which: Sequence[ColumnElement[bool]],
    pipeline: str,
    at: datetime,
    only: set[tuple[str, str]] | None,
) -> None:
    query = dialect.locked(
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
        _ring(conn, dialect, found, pipeline, at)


def _ring(
    conn: Connection,
    dialect: Dialect,
    freed: Sequence[tuple[str, str]],
    pipeline: str,
    at: datetime,
) -> None:
    """Ring those that wait for freed claims, once each."""
    query = select(waiters).where(
        dialect.among(waiters.c.asset, sorted({a for a, _ in freed})),
        dialect.among(waiters.c.key, sorted({k for _, k in freed})),
    )
    rows = [r for r in conn.execute(query) if (r.asset, r.key) in set(freed)]
    for row in rows:
        conn.execute(
            delete(waiters).where(
                waiters.c.asset == row.asset,
                waiters.c.key == row.key,
                waiters.c.workflow == row.workflow,
            )
        )
    dialect.insert(
        conn,
        outbox,
        [
            {
                "pipeline": pipeline,
                "workflow": workflow,
                "run": run,
                "gate": "",
                "due_at": at,
                "tries": 0,
            }
            for workflow, run in sorted({(r.workflow, r.run) for r in rows})
        ],
    )
