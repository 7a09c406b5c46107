"""Versions: committed values, what each was made from, and which one readers see."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Select, select

from flowstone.ledger.base import (
    Attempt,
    Dispatch,
    Holding,
    Making,
    Publishing,
    Version,
    Wanted,
)
from flowstone.ledger.batch import Answer, Batch
from flowstone.ledger.dialect import Dialect
from flowstone.ledger.rows import dump, version_of
from flowstone.ledger.schema import gates, input_members, pointers, versions
from flowstone.ledger.turn import Turn

__all__ = [
    "Pointer",
    "add_held",
    "add_inputs",
    "add_versions",
    "ask_fences",
    "ask_pointers",
    "current_versions",
    "held_reads",
    "input_set",
    "pointers_of",
    "versions_by_id",
]

_POINTER_CONFLICT = (
    "(asset, key) DO UPDATE SET version = excluded.version, "
    "fence = excluded.fence, moved_at = excluded.moved_at "
    "WHERE flowstone_pointers.fence < excluded.fence"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointer:
    """What readers of an asset at a key see, and how new that is.

    Attributes:
        version: the version, where it was asked for; `None` where it was taken away.
    """

    version: Version | None
    fence: int


def ask_pointers(
    send: Batch, turn: Turn, places: Collection[tuple[str, str]]
) -> Answer:
    """Ask for the pointers of (asset, key) pairs, with the versions they show."""
    if not places:
        return Answer.empty()
    return send.ask(_ask_pointers, turn.dialect.pairs_as("places", places))


def ask_fences(send: Batch, turn: Turn, places: Collection[tuple[str, str]]) -> Answer:
    """Ask for the pointers of (asset, key) pairs, without the versions they show."""
    if not places:
        return Answer.empty()
    return send.ask(_ask_fences, turn.dialect.pairs_as("places", places))


def pointers_of(shown: Answer, fences: Answer) -> dict[tuple[str, str], Pointer]:
    """Read what `ask_pointers` and `ask_fences` found."""
    bare = {
        (asset, key): Pointer(version=None, fence=fence)
        for asset, key, fence in fences.rows()
    }
    return bare | {
        (r["at_asset"], r["at_key"]): Pointer(
            version=None if r["id"] is None else version_of(r), fence=r["at_fence"]
        )
        for r in shown.records()
    }


def _ask_fences(dialect: Dialect) -> Select[*tuple[Any, ...]]:
    return select(pointers.c.asset, pointers.c.key, pointers.c.fence).where(
        dialect.paired(pointers.c.asset, pointers.c.key, "places")
    )


def _ask_pointers(dialect: Dialect) -> Select[*tuple[Any, ...]]:
    joined = pointers.outerjoin(versions, pointers.c.version == versions.c.id)
    return (
        select(
            pointers.c.asset.label("at_asset"),
            pointers.c.key.label("at_key"),
            pointers.c.fence.label("at_fence"),
            versions,
        )
        .select_from(joined)
        .where(dialect.paired(pointers.c.asset, pointers.c.key, "places"))
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
        .where(dialect.pairs(pointers.c.asset, pointers.c.key, places))
    )
    found = map(version_of, conn.execute(query).mappings())
    return {(v.asset, v.key): v for v in found}


def versions_by_id(
    conn: Connection, dialect: Dialect, ids: Collection[str]
) -> dict[str, Version]:
    """Read versions."""
    if not ids:
        return {}
    rows = conn.execute(dialect.prepared(_ask_versions), {"ids": sorted(set(ids))})
    return {v.id: v for v in map(version_of, rows.mappings())}


def _ask_versions(dialect: Dialect) -> Select[*tuple[Any, ...]]:
    return select(versions).where(dialect.listed(versions.c.id, "ids"))


def add_versions(
    turn: Turn,
    who: Dispatch,
    good: Sequence[Making],
    held: Mapping[str, Sequence[tuple[str, str]]],
    published: Sequence[Publishing] = (),
) -> None:
    """Write versions and what each was made from, and show them to readers.

    Args:
        turn: the transaction.
        who: the dispatch that made them.
        good: what it made.
        published: versions that are there already, and are shown from now on.
        held: what `held_reads` gave for their gates.
    """
    reads = {
        m.wanted.cell: list(dict.fromkeys((*held.get(m.wanted.gate, ()), *m.reads)))
        for m in good
    }
    rows = [_row(turn, who, m, input_set(reads[m.wanted.cell])) for m in good]
    turn.dialect.insert(turn.conn, versions, rows)
    add_inputs(turn, list(reads.values()))
    shown = [
        *(_pointer(turn, m.wanted, m.attempt, m.attempt.id) for m in good),
        *(_pointer(turn, p.wanted, p.attempt, p.version) for p in published),
    ]
    shown.sort(key=lambda row: (str(row["asset"]), str(row["key"])))
    turn.dialect.insert(turn.conn, pointers, shown, _POINTER_CONFLICT)


def _pointer(
    turn: Turn, wanted: Wanted, attempt: Attempt, version: str
) -> dict[str, object]:
    return {
        "asset": wanted.asset,
        "key": wanted.key,
        "version": version,
        "fence": attempt.fence,
        "moved_at": turn.at,
    }


def add_held(
    turn: Turn, who: Dispatch, held: Sequence[Holding], rounds: Mapping[str, int]
) -> None:
    """Write versions that nobody is shown yet: somebody has to decide on them.

    Args:
        turn: the transaction.
        who: the dispatch that made them.
        held: the waits.
        rounds: which round of its gate each is; a cell may have one for each.
    """
    rows = [
        {**_row(turn, who, h.made, input_set(h.reads)), "item": -1 - rounds[h.gate]}
        for h in held
        if h.made is not None and h.gate in rounds
    ]
    turn.dialect.insert(turn.conn, versions, rows)


def add_inputs(turn: Turn, sets: Sequence[Sequence[tuple[str, str]]]) -> None:
    """Write sets of inputs; those that are there already stay as they are."""
    members = {input_set(reads): reads for reads in sets}
    rows = [
        {"inputs": i, "place": p, "parameter": name, "version": version}
        for i, reads in sorted(members.items())
        for p, (name, version) in enumerate(reads)
    ]
    turn.dialect.insert(turn.conn, input_members, rows, "DO NOTHING")


def held_reads(turn: Turn, good: Sequence[Making]) -> dict[str, list[tuple[str, str]]]:
    """Read what had been read by attempts that waited at gates."""
    gates_settled = [m.wanted.gate for m in good if m.wanted.gate]
    found: dict[str, list[tuple[str, str]]] = {}
    if gates_settled:
        query = (
            select(gates.c.id, input_members.c.parameter, input_members.c.version)
            .join(input_members, input_members.c.inputs == gates.c.inputs)
            .where(turn.dialect.among(gates.c.id, gates_settled))
            .order_by(gates.c.id, input_members.c.place)
        )
        for gate, parameter, version in turn.conn.execute(query):
            found.setdefault(gate, []).append((parameter, version))
    return found


def input_set(reads: Sequence[tuple[str, str]]) -> str:
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
