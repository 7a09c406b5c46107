"""What exists, what made it, what was made from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    Connection,
    Integer,
    Select,
    and_,
    bindparam,
    func,
    literal,
    select,
    update,
)

from flowstone.core.errors import AlreadyRunning
from flowstone.ledger.base import RunRow, Version
from flowstone.ledger.database import Database
from flowstone.ledger.rows import clock, dump, error_of, run_of, version_of
from flowstone.ledger.schema import (
    attempts,
    audit,
    claims,
    gates,
    input_members,
    pointers,
    run_nodes,
    runs,
    versions,
)

__all__ = ["AuditEntry", "Catalog", "LineageRow"]

_DEEPEST = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageRow:
    """One version on the way up or down, and how far it is."""

    version: Version
    depth: int
    current: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One line of the audit log."""

    seq: int
    at: object
    actor: str
    action: str
    subject: str
    run: str
    data: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LastAttempt:
    """How the newest attempt at a value ended."""

    run: str
    state: str
    at: datetime
    reason: str


class Catalog:
    """Answers questions about values.

    Args:
        database: where the tables are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._dialect = database.dialect

    def version(
        self, asset: str, key: str, version: str | None = None
    ) -> Version | None:
        """Give the version readers see now, or the one that is named."""
        query = select(versions).where(versions.c.asset == asset, versions.c.key == key)
        if version is None:
            query = query.join(pointers, pointers.c.version == versions.c.id)
        else:
            query = query.where(versions.c.id == version)
        with self._database.reading() as conn:
            row = conn.execute(query).mappings().first()
        return None if row is None else version_of(row)

    def versions(self, asset: str, key: str, limit: int = 100) -> list[Version]:
        """Give the versions of a value, the newest first."""
        query = (
            select(versions)
            .where(versions.c.asset == asset, versions.c.key == key)
            .order_by(versions.c.seq.desc())
            .limit(limit)
        )
        with self._database.reading() as conn:
            return [version_of(row) for row in conn.execute(query).mappings()]

    def made_by(self, run: str, node: int, key_number: int) -> Version | None:
        """Give the version that a run made, or took, of a cell."""
        query = (
            select(versions)
            .join(run_nodes, run_nodes.c.version == versions.c.id)
            .where(
                run_nodes.c.run == run,
                run_nodes.c.node == node,
                run_nodes.c.key_number == key_number,
            )
        )
        with self._database.reading() as conn:
            row = conn.execute(query).mappings().first()
        return None if row is None else version_of(row)

    def last_run(self, pipeline: str, asset: str, key: str) -> RunRow | None:
        """Give the newest run that was asked for an asset at a key."""
        query = (
            select(runs)
            .where(
                runs.c.pipeline == pipeline,
                runs.c.asset == asset,
                runs.c.key == key,
                runs.c.status != "not_started",
            )
            .order_by(runs.c.created_at.desc(), runs.c.id.desc())
            .limit(1)
        )
        with self._database.reading() as conn:
            row = conn.execute(query).mappings().first()
        return None if row is None else run_of(row)

    def last_attempt(self, asset: str, key: str) -> LastAttempt | None:
        """Give how the newest attempt at a value ended."""
        query = (
            select(attempts, run_nodes.c.reason)
            .outerjoin(
                run_nodes,
                and_(
                    run_nodes.c.run == attempts.c.run,
                    run_nodes.c.node == attempts.c.node,
                    run_nodes.c.key_number == attempts.c.key_number,
                ),
            )
            .where(
                attempts.c.asset == asset,
                attempts.c.key == key,
                attempts.c.ended_at.is_not(None),
            )
            .order_by(attempts.c.id.desc())
            .limit(1)
        )
        with self._database.reading() as conn:
            row = conn.execute(query).first()
        if row is None:
            return None
        error = error_of(row.error)
        return LastAttempt(
            run=row.run,
            state=row.state,
            at=row.ended_at,
            reason=error.message if error else row.reason or "",
        )

    def claim(self, asset: str, key: str) -> tuple[str, str] | None:
        """Give the run that is making a value, and the gate it waits at."""
        query = select(claims.c.run, claims.c.gate).where(
            claims.c.asset == asset, claims.c.key == key
        )
        with self._database.reading() as conn:
            row = conn.execute(query).first()
        return None if row is None else (row.run, row.gate or "")

    def invalidate(
        self, asset: str, key: str, *, cascade: bool, actor: str
    ) -> list[tuple[str, str]]:
        """Take values away from their readers; their versions stay in the history.

        Returns:
            The (asset, key) pairs that had a value and no longer have.

        Raises:
            AlreadyRunning: one of them is being made.
        """
        return self._database.transact(
            lambda conn: self._invalidate(
                conn, asset, key, cascade=cascade, actor=actor
            )
        )

    def _invalidate(
        self, conn: Connection, asset: str, key: str, *, cascade: bool, actor: str
    ) -> list[tuple[str, str]]:
        cells = {(asset, key)}
        here = conn.execute(
            select(pointers.c.version).where(
                pointers.c.asset == asset, pointers.c.key == key
            )
        ).scalar()
        if cascade and here is not None:
            rows = conn.execute(_walk("down"), {"version": here, "depth": _DEEPEST})
            cells |= {(r.asset, r.key) for r in rows if r.current}
        found: list[tuple[str, str]] = []
        at, fence = clock(conn), self._dialect.fence(conn)
        for name, text in sorted(cells):
            held = conn.execute(
                self._dialect.locked(
                    select(claims.c.run, claims.c.gate).where(
                        claims.c.asset == name, claims.c.key == text
                    )
                )
            ).first()
            if held is not None and held.gate is None:
                raise AlreadyRunning(
                    asset=name.split("/", 1)[-1], partition=text, run_id=held.run
                )
            done = conn.execute(
                update(pointers)
                .where(
                    pointers.c.asset == name,
                    pointers.c.key == text,
                    pointers.c.version.is_not(None),
                )
                .values(version=None, fence=fence, moved_at=at)
            )
            if done.rowcount:
                found.append((name, text))
        if found:
            self._dialect.insert(
                conn,
                audit,
                [
                    {
                        "at": at,
                        "actor": actor,
                        "action": "value.invalidate",
                        "subject": f"{name}@{text}",
                        "run": "",
                        "data": dump({"cascade": cascade}),
                    }
                    for name, text in found
                ],
            )
        return found

    def lineage(
        self, version: str, *, down: bool, depth: int | None
    ) -> list[LineageRow]:
        """Give all that a version was made from, or that was made from it.

        Args:
            version: where to start; it is not in the answer.
            down: towards what was made from it.
            depth: how many steps to go at most.
        """
        parameters = {
            "version": version,
            "depth": _DEEPEST if depth is None else depth,
        }
        query = _walk("down" if down else "up")
        with self._database.reading() as conn:
            rows = conn.execute(query, parameters).mappings().all()
        return [
            LineageRow(
                version=version_of(r), depth=r["depth"], current=bool(r["current"])
            )
            for r in rows
        ]

    def audit(self, limit: int = 100, subject: str = "") -> list[AuditEntry]:
        """Give the newest lines of the audit log first."""
        query = select(audit).order_by(audit.c.seq.desc()).limit(limit)
        if subject:
            query = query.where(audit.c.subject == subject)
        with self._database.reading() as conn:
            return [AuditEntry(**row) for row in conn.execute(query).mappings()]

    def waiting_gate(self, run: str, asset: str, key: str) -> str | None:
        """Give the gate at which a run waits with a value."""
        query = select(gates.c.id).where(
            gates.c.run == run,
            gates.c.asset == asset,
            gates.c.key == key,
            gates.c.state == "waiting",
        )
        with self._database.reading() as conn:
            return conn.execute(query).scalar()


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
    if direction == "up":
        onward = (
            select(step.c.id, step.c.inputs, start.c.depth + 1)
            .join(member, member.c.version == step.c.id)
            .join(start, start.c.inputs == member.c.inputs)
        )
    else:
        onward = (
            select(step.c.id, step.c.inputs, start.c.depth + 1)
            .join(member, member.c.inputs == step.c.inputs)
            .join(start, start.c.id == member.c.version)
        )
    walk = start.union(onward.where(start.c.depth < bindparam("depth")))
    nearest = (
        select(walk.c.id, func.min(walk.c.depth).label("depth"))
        .where(walk.c.depth > 0)
        .group_by(walk.c.id)
        .subquery()
    )
    current = pointers.alias()
    return (
        select(
            versions,
            nearest.c.depth,
            (current.c.version.is_not(None)).label("current"),
        )
        .join(nearest, nearest.c.id == versions.c.id)
        .outerjoin(current, current.c.version == versions.c.id)
        .order_by(nearest.c.depth, versions.c.asset, versions.c.key, versions.c.seq)
    )
