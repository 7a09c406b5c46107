"""What exists, what made it, what was made from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    Connection,
    and_,
    func,
    select,
)

from flowstone.ledger.audit import AuditEntry, read_audit, write_audit
from flowstone.ledger.base import RunRow, Version
from flowstone.ledger.database import Database
from flowstone.ledger.invalidating import invalidate
from flowstone.ledger.lineage import LineageRow, read_lineage
from flowstone.ledger.rows import error_of, run_of, version_of
from flowstone.ledger.schema import (
    attempts,
    claims,
    gates,
    pointers,
    run_nodes,
    runs,
    versions,
)
from flowstone.ledger.turn import Turn

__all__ = ["Catalog", "LastAttempt"]


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
        if version is None:
            query = (
                select(versions)
                .join(pointers, pointers.c.version == versions.c.id)
                .where(pointers.c.asset == asset, pointers.c.key == key)
            )
        else:
            query = select(versions).where(
                versions.c.id == version,
                versions.c.asset == asset,
                versions.c.key == key,
            )
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

    def attempts(self, run: str, node: int, key_number: int, state: str) -> int:
        """Count the attempts of a run at a cell that ended in a state."""
        query = select(func.count()).where(
            attempts.c.run == run,
            attempts.c.node == node,
            attempts.c.key_number == key_number,
            attempts.c.state == state,
        )
        with self._database.reading() as conn:
            return int(conn.execute(query).scalar_one())

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

        def work(conn: Connection) -> list[tuple[str, str]]:
            turn = Turn.take(conn, self._dialect, asset.split("/", 1)[0])
            return invalidate(turn, (asset, key), cascade=cascade, actor=actor)

        return self._database.transact(work)

    def lineage(
        self, version: str, *, down: bool, depth: int | None
    ) -> list[LineageRow]:
        """Give all that a version was made from, or that was made from it.

        Args:
            version: where to start; it is not in the answer.
            down: towards what was made from it.
            depth: how many steps to go at most.
        """
        with self._dialect.begin() as conn:
            return read_lineage(conn, self._dialect, version, down=down, depth=depth)

    def note(
        self,
        pipeline: str,
        action: str,
        subject: str,
        *,
        actor: str,
        data: Mapping[str, object],
    ) -> None:
        """Add a line to the audit log by itself: what was changed is kept elsewhere."""

        def work(conn: Connection) -> None:
            turn = Turn.take(conn, self._dialect, pipeline)
            write_audit(turn, action, [subject], actor=actor, data=data)

        self._database.transact(work)

    def audit(
        self, pipeline: str, *, limit: int = 100, subject: str = ""
    ) -> list[AuditEntry]:
        """Give the newest lines of an app's audit log first."""
        with self._database.reading() as conn:
            return read_audit(conn, pipeline, limit=limit, subject=subject)

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
