"""Versions: committed values, what each was made from, and which one readers see."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from hashlib import sha256

from sqlalchemy import Connection, select

from flowstone.ledger.base import Dispatch, Making, Version
from flowstone.ledger.dialect import Dialect
from flowstone.ledger.rows import dump, version_of
from flowstone.ledger.schema import input_members, pointers, versions
from flowstone.ledger.turn import Turn

__all__ = ["add_versions", "current_versions", "versions_by_id"]

_POINTER_CONFLICT = (
    "(asset, key) DO UPDATE SET version = excluded.version, "
    "fence = excluded.fence, moved_at = excluded.moved_at "
    "WHERE flowstone_pointers.fence < excluded.fence"
)


def current_versions(
    conn: Connection, dialect: Dialect, places: Collection[tuple[str, str]]
) -> dict[tuple[str, str], Version]:
    """Read the versions that readers see now, of (asset, key) pairs."""
    if not places:
        return {}
    query = (
        select(versions)
        .join(pointers, pointers.c.version == versions.c.id)
        .where(
            dialect.among(pointers.c.asset, sorted({a for a, _ in places})),
            dialect.among(pointers.c.key, sorted({k for _, k in places})),
        )
    )
    found = map(version_of, conn.execute(query).mappings())
    return {(v.asset, v.key): v for v in found}


def versions_by_id(
    conn: Connection, dialect: Dialect, ids: Collection[str]
) -> dict[str, Version]:
    """Read versions."""
    if not ids:
        return {}
    query = select(versions).where(dialect.among(versions.c.id, sorted(set(ids))))
    return {v.id: v for v in map(version_of, conn.execute(query).mappings())}


def add_versions(turn: Turn, who: Dispatch, good: Sequence[Making]) -> None:
    """Write versions and what each was made from, and show them to readers."""
    members: dict[str, list[tuple[str, str]]] = {}
    rows: list[dict[str, object]] = []
    for made in good:
        inputs = _input_set(made.reads)
        members[inputs] = list(made.reads)
        rows.append(_row(turn, who, made, inputs))
    turn.dialect.insert(turn.conn, versions, rows)
    turn.dialect.insert(
        turn.conn,
        input_members,
        [
            {"inputs": i, "place": p, "parameter": name, "version": version}
            for i, reads in sorted(members.items())
            for p, (name, version) in enumerate(reads)
        ],
        "DO NOTHING",
    )
    moved = sorted(good, key=lambda m: (m.wanted.asset, m.wanted.key))
    turn.dialect.insert(
        turn.conn,
        pointers,
        [
            {
                "asset": m.wanted.asset,
                "key": m.wanted.key,
                "version": m.attempt.id,
                "fence": m.attempt.fence,
                "moved_at": turn.at,
            }
            for m in moved
        ],
        _POINTER_CONFLICT,
    )


def _input_set(reads: Sequence[tuple[str, str]]) -> str:
    """Name a set of inputs by what is in it; equal sets are one row."""
    return sha256(dump(list(reads)).encode()).hexdigest()[:32] if reads else ""


def _row(turn: Turn, who: Dispatch, made: Making, inputs: str) -> dict[str, object]:
    want = made.wanted
    return {
        "id": made.attempt.id,
        "run": who.run,
        "node": want.node,
        "key_number": want.key_number,
        "item": -1,
        "asset": want.asset,
        "key": want.key,
        "data_version": made.digest,
        "code": made.code,
        "inputs": inputs,
        "io": want.io,
        "location": made.location,
        "size": made.size,
        "digest": made.digest,
        "facts": dump(dict(made.facts)),
        "metadata": dump(dict(made.metadata)),
        "millis": made.millis,
        "created_at": turn.at,
    }
