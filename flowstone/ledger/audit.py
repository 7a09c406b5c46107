"""The audit log: who changed what. It is only ever added to; the database sees to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from flowstone.ledger.rows import dump
from flowstone.ledger.schema import audit
from flowstone.ledger.turn import Turn

__all__ = ["AuditEntry", "read_audit", "write_audit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One line of the audit log.

    Attributes:
        seq: its place in the log.
        at: when it was.
        pipeline: of which app.
        actor: who did it.
        action: what was done.
        subject: to what.
        run: in which run, if in one.
        data: what else is known of it, as JSON.
    """

    seq: int
    at: datetime
    pipeline: str
    actor: str
    action: str
    subject: str
    run: str
    data: str


def write_audit(
    turn: Turn,
    action: str,
    subjects: Sequence[str],
    *,
    actor: str,
    run: str = "",
    data: Mapping[str, object] | None = None,
) -> None:
    """Add a line for each subject, in the transaction that changes it."""
    rows = [
        {
            "at": turn.at,
            "pipeline": turn.pipeline,
            "actor": actor,
            "action": action,
            "subject": subject,
            "run": run,
            "data": dump(dict(data or {})),
        }
        for subject in subjects
    ]
    turn.dialect.insert(turn.conn, audit, rows)


def read_audit(
    conn: Connection, pipeline: str, *, limit: int, subject: str
) -> list[AuditEntry]:
    """Read the newest lines of an app, of one subject or of all."""
    query = select(audit).where(audit.c.pipeline == pipeline)
    if subject:
        query = query.where(audit.c.subject == subject)
    query = query.order_by(audit.c.seq.desc()).limit(limit)
    return [AuditEntry(**row) for row in conn.execute(query).mappings()]
