"""Lineage: what a version was made from, and what was made from it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import (
    Connection,
    Integer,
    Select,
    and_,
    bindparam,
    func,
    literal,
    select,
)

from flowstone.ledger.base import Version
from flowstone.ledger.rows import version_of
from flowstone.ledger.schema import input_members, pointers, versions

__all__ = ["LineageRow", "read_lineage"]

_DEEPEST = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageRow:
    """One version on the way up or down, and how far it is."""

    version: Version
    depth: int
    current: bool


def read_lineage(
    conn: Connection, version: str, *, down: bool, depth: int | None = None
) -> list[LineageRow]:
    """Read all that a version was made from, or that was made from it.

    Args:
        conn: a connection.
        version: where to start; it is not in the answer.
        down: towards what was made from it.
        depth: how many steps to go at most.
    """
    parameters = {"version": version, "depth": _DEEPEST if depth is None else depth}
    rows = conn.execute(_walk("down" if down else "up"), parameters).mappings()
    return [
        LineageRow(version=version_of(r), depth=r["depth"], current=bool(r["current"]))
        for r in rows
    ]


def _walk(direction: str) -> Select[tuple[object, ...]]:
    """Walk the edges between versions: one recursive query over input sets."""
    start = (
        select(
            versions.c.id.label("id"),
            versions.c.inputs.label("inputs"),
            literal(0, Integer).label("depth"),
        )
        .where(versions.c.id == bindparam("version"))
        .cte("walk", recursive=True)
    )
    member, step = input_members.alias(), versions.alias()
    onward = select(step.c.id, step.c.inputs, start.c.depth + 1)
    if direction == "up":
        onward = onward.join(member, member.c.version == step.c.id)
        onward = onward.join(start, start.c.inputs == member.c.inputs)
    else:
        onward = onward.join(member, member.c.inputs == step.c.inputs)
        onward = onward.join(start, start.c.id == member.c.version)
    walk = start.union(onward.where(start.c.depth < bindparam("depth")))
    nearest = (
        select(walk.c.id, func.min(walk.c.depth).label("depth"))
        .where(walk.c.depth > 0)
        .group_by(walk.c.id)
        .subquery()
    )
    seen = pointers.c.version.is_not(None).label("current")
    shown = and_(
        pointers.c.asset == versions.c.asset,
        pointers.c.key == versions.c.key,
        pointers.c.version == versions.c.id,
    )
    return (
        select(versions, nearest.c.depth, seen)
        .join(nearest, nearest.c.id == versions.c.id)
        .outerjoin(pointers, shown)
        .order_by(nearest.c.depth, versions.c.asset, versions.c.key, versions.c.seq)
    )
