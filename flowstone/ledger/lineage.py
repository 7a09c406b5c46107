"""Lineage: what a version was made from, and what was made from it.

The walk goes from set of inputs to set of inputs, each once however many ways lead to
it, and whatever has it in common. How far a version is comes after: the edges that were
found are gone along in memory, the nearest first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    Join,
    RowMapping,
    Select,
    and_,
    bindparam,
    literal,
    select,
)

from flowstone.ledger.base import Version
from flowstone.ledger.dialect import Dialect
from flowstone.ledger.rows import version_of
from flowstone.ledger.schema import input_members, pointers, versions

__all__ = ["LineageRow", "read_lineage"]

_SHALLOW = 20
"""A walk that stops by itself passes a set again for each of its depths."""

_AT_ONCE = 10_000
"""Versions; SQLite takes some tens of thousands of parameters."""

_Edge = tuple[str, str, str | None]
"""A set of inputs, a version it leads to, and a set that this one leads to, if any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageRow:
    """One version on the way up or down, and how far it is."""

    version: Version
    depth: int
    current: bool


def read_lineage(
    conn: Connection,
    dialect: Dialect,
    version: str,
    *,
    down: bool,
    depth: int | None = None,
) -> list[LineageRow]:
    """Read all that a version was made from, or that was made from it.

    Args:
        conn: a connection.
        dialect: of its database.
        version: where to start; it is not in the answer.
        down: towards what was made from it.
        depth: how many steps to go at most.
    """
    shallow = depth is not None and depth <= _SHALLOW
    parameters = {"version": version} | ({"depth": depth} if shallow else {})
    start, walk = _start(down=down), _walk(down=down, shallow=shallow)
    dialect.look_up(conn)
    first = list(conn.execute(start, {"version": version}).scalars())
    edges: list[_Edge] = [(*edge,) for edge in conn.execute(walk, parameters)]
    depths = _measure(first, edges, depth)
    ids = sorted(depths)
    rows: list[RowMapping] = []
    for at in range(0, len(ids), _AT_ONCE):
        some = {"ids": ids[at : at + _AT_ONCE]}
        rows += conn.execute(dialect.prepared(_ask_shown), some).mappings()
    rows.sort(key=lambda r: (depths[r["id"]], r["asset"], r["key"], r["seq"]))
    return [
        LineageRow(
            version=version_of(r), depth=depths[r["id"]], current=bool(r["current"])
        )
        for r in rows
    ]


@cache
def _start(*, down: bool) -> Select[*tuple[Any, ...]]:
    """Ask for the sets next to a version: the one it was made from, or all it is in."""
    if down:
        return select(input_members.c.inputs).where(
            input_members.c.version == bindparam("version")
        )
    return select(versions.c.inputs).where(versions.c.id == bindparam("version"))


@cache
def _walk(*, down: bool, shallow: bool) -> Select[*tuple[Any, ...]]:
    """Ask for the edges between all sets that can be reached, in one query."""
    start = _start(down=down)
    if shallow:
        start = start.add_columns(literal(1, Integer).label("depth"))
    walk = start.cte("walk", recursive=True)
    step, member = versions.alias(), input_members.alias()
    onward, following = _join(walk, step, member, down=down)
    further = select(following).select_from(onward)
    if shallow:
        further = further.add_columns(walk.c.depth + 1)
        further = further.where(walk.c.depth < bindparam("depth"))
    reached = walk.union(further)
    step, member = versions.alias(), input_members.alias()
    onward, following = _join(reached, step, member, down=down, outer=True)
    return select(reached.c.inputs, step.c.id, following).select_from(onward)


def _join(
    walk: CTE, step: FromClause, member: FromClause, *, down: bool, outer: bool = False
) -> tuple[Join, ColumnElement[Any]]:
    """Join sets with the versions they lead to; give the column of the next sets."""
    if down:
        versions_of = walk.join(step, step.c.inputs == walk.c.inputs)
        within = member.c.version == step.c.id
        return versions_of.join(member, within, isouter=outer), member.c.inputs
    members_of = walk.join(member, member.c.inputs == walk.c.inputs)
    return members_of.join(step, step.c.id == member.c.version), step.c.inputs


def _ask_shown(dialect: Dialect) -> Select[*tuple[Any, ...]]:
    seen = pointers.c.version.is_not(None).label("current")
    shown = and_(
        pointers.c.asset == versions.c.asset,
        pointers.c.key == versions.c.key,
        pointers.c.version == versions.c.id,
    )
    return (
        select(versions, seen)
        .outerjoin(pointers, shown)
        .where(dialect.listed(versions.c.id, "ids"))
    )


def _measure(
    first: Sequence[str], edges: Sequence[_Edge], most: int | None
) -> dict[str, int]:
    """Tell how far each version is that a walk has found."""
    leads: dict[str, list[tuple[str, str | None]]] = {}
    for inputs, version, following in edges:
        leads.setdefault(inputs, []).append((version, following))
    found: dict[str, int] = {}
    seen, now, depth = set(first), list(first), 1
    while now and (most is None or depth <= most):
        after: dict[str, None] = {}
        for version, following in (lead for at in now for lead in leads.get(at, ())):
            found.setdefault(version, depth)
            if following is not None and following not in seen:
                after[following] = None
        seen.update(after)
        now, depth = list(after), depth + 1
    return found
