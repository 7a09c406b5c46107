"""The tables. Alembic's revisions beside this make them in a database.

A cell is (run, node, key number, item); the key's text is beside it where people or
other runs look for it. JSON is kept as text: nothing asks SQL to look inside.

A release's tables are frozen: what changes here becomes a revision of its own.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

__all__ = [
    "REVISION",
    "Instant",
    "answers",
    "attempts",
    "audit",
    "claims",
    "events",
    "gates",
    "input_members",
    "metadata",
    "outbox",
    "plans",
    "pointers",
    "run_nodes",
    "runs",
    "secrets",
    "sensor_ticks",
    "sensors",
    "triggers",
    "versions",
    "waiters",
]

REVISION = "0003_sensors"
"""The newest revision, which the code of this release needs."""

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
    }
)
_Serial = BigInteger().with_variant(Integer, "sqlite")
_Name = Text().with_variant(Text(collation="C"), "postgresql")
"""What names something: in the order of its bytes, as Python sorts it.

Claims are locked in this order by statements that sort here or there; in the order of
a language, the two would differ, and transactions would wait for each other.
"""


class Instant(TypeDecorator[datetime]):
    """An aware datetime, in UTC whatever the database thinks of zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(
        self, value: datetime | None, dialect: Dialect
    ) -> datetime | None:
        """Give the database UTC; SQLite keeps no zone."""
        if value is None:
            return None
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(
        self, value: datetime | None, dialect: Dialect
    ) -> datetime | None:
        """Give people an aware datetime."""
        del dialect
        if value is None:
            return None
        return (
            value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        )


def _cell() -> list[Column[object]]:
    return [
        Column("run", _Name, nullable=False),
        Column("node", Integer, nullable=False),
        Column("key_number", Integer, nullable=False, default=0),
        Column("item", Integer, nullable=False, default=-1),
    ]


runs = Table(
    "flowstone_runs",
    metadata,
    Column("id", _Name, primary_key=True),
    Column("pipeline", _Name, nullable=False),
    Column("workflow", _Name, nullable=False),
    Column("verb", _Name, nullable=False),
    Column("asset", _Name, nullable=False),
    Column("key", _Name, nullable=False),
    Column("keys", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("request_hash", _Name, nullable=False),
    Column("user_key", _Name),
    Column("actor", _Name, nullable=False),
    Column("owner", _Name, nullable=False, default=""),
    Column("status", _Name, nullable=False),
    Column("reason", Text, nullable=False, default=""),
    Column("plan", _Name),
    Column("error", Text),
    Column("created_at", Instant, nullable=False),
    Column("started_at", Instant),
    Column("ended_at", Instant),
    Column("swept_at", Instant),
    UniqueConstraint("pipeline", "user_key"),
    Index("flowstone_runs_recent", "pipeline", "created_at"),
    Index("flowstone_runs_workflow", "workflow"),
    Index("flowstone_runs_asset", "pipeline", "asset", "key", "created_at"),
    Index("flowstone_runs_status", "status", "created_at"),
)

plans = Table(
    "flowstone_plans",
    metadata,
    Column("digest", _Name, primary_key=True),
    Column("body", Text, nullable=False),
)

run_nodes = Table(
    "flowstone_run_nodes",
    metadata,
    Column("run", _Name, primary_key=True),
    Column("key_number", Integer, primary_key=True),
    Column("node", Integer, primary_key=True),
    Column("state", Integer, nullable=False),
    Column("version", _Name),
    Column("reason", Text, nullable=False, default=""),
    Column("error", Text),
)

claims = Table(
    "flowstone_claims",
    metadata,
    Column("asset", _Name, primary_key=True),
    Column("key", _Name, primary_key=True),
    Column("run", _Name, nullable=False),
    Column("workflow", _Name, nullable=False),
    Column("dispatch", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("gate", _Name),
    Column("policy", _Name, nullable=False),
    Column("taken_at", Instant, nullable=False),
    Index("flowstone_claims_run", "run", "workflow", "dispatch"),
)

waiters = Table(
    "flowstone_waiters",
    metadata,
    Column("asset", _Name, primary_key=True),
    Column("key", _Name, primary_key=True),
    Column("workflow", _Name, primary_key=True),
    Column("run", _Name, nullable=False),
)

attempts = Table(
    "flowstone_attempts",
    metadata,
    Column("id", _Name, primary_key=True),
    *_cell(),
    Column("asset", _Name, nullable=False),
    Column("key", _Name, nullable=False),
    Column("workflow", _Name, nullable=False),
    Column("dispatch", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("number", Integer, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("io", _Name, nullable=False),
    Column("path", Text, nullable=False),
    Column("alone", Boolean, nullable=False),
    Column("state", _Name, nullable=False),
    Column("error", Text),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Index("flowstone_attempts_cell", "run", "key_number", "node"),
    Index("flowstone_attempts_recent", "asset", "key", "id"),
)

versions = Table(
    "flowstone_versions",
    metadata,
    Column("seq", _Serial, primary_key=True, autoincrement=True),
    Column("id", _Name, nullable=False, unique=True),
    *_cell(),
    Column("asset", _Name, nullable=False),
    Column("key", _Name, nullable=False),
    Column("data_version", _Name, nullable=False),
    Column("code", _Name, nullable=False),
    Column("inputs", _Name, nullable=False),
    Column("io", _Name, nullable=False),
    Column("location", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("digest", _Name, nullable=False),
    Column("facts", Text, nullable=False),
    Column("metadata", Text, nullable=False),
    Column("millis", BigInteger, nullable=False),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("run", "key_number", "node", "item"),
    Index("flowstone_versions_recent", "asset", "seq"),
    Index("flowstone_versions_inputs", "inputs"),
)

pointers = Table(
    "flowstone_pointers",
    metadata,
    Column("asset", _Name, primary_key=True),
    Column("key", _Name, primary_key=True),
    Column("version", _Name),
    Column("fence", BigInteger, nullable=False),
    Column("moved_at", Instant, nullable=False),
)

input_members = Table(
    "flowstone_input_members",
    metadata,
    Column("inputs", _Name, primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("parameter", Text, nullable=False),
    Column("version", _Name, nullable=False),
    Index("flowstone_input_members_version", "version"),
)

gates = Table(
    "flowstone_gates",
    metadata,
    Column("id", _Name, primary_key=True),
    *_cell(),
    Column("asset", _Name, nullable=False),
    Column("key", _Name, nullable=False),
    Column("pipeline", _Name, nullable=False),
    Column("workflow", _Name, nullable=False),
    Column("state", _Name, nullable=False),
    Column("on_timeout", _Name, nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("deadline", Instant),
    Column("decided_at", Instant),
    Column("winner", _Name, nullable=False, default=""),
    Column("payload", Text),
    Column("seen", Boolean, nullable=False, default=False),
    Column("inputs", _Name, nullable=False),
    Column("kind", _Name, nullable=False, server_default="signal"),
    Column("rounds", Integer, nullable=False, server_default="1"),
    Column("timeout_millis", BigInteger),
    Column("extensions", Integer, nullable=False, server_default="0"),
    Column("reminders", Text, nullable=False, server_default=""),
    Column("message", Text, nullable=False, server_default=""),
    Column("held", _Name),
    Column("required", Integer, nullable=False, server_default="1"),
    Column("escalate_to", _Name, nullable=False, server_default=""),
    Column("escalated_to", _Name, nullable=False, server_default=""),
    Column("decision", _Name, nullable=False, server_default=""),
    Column("comment", Text, nullable=False, server_default=""),
    Column("edits", Text),
    Index("flowstone_gates_run", "run", "state"),
    Index("flowstone_gates_state", "pipeline", "state", "opened_at"),
)

answers = Table(
    "flowstone_answers",
    metadata,
    Column("gate", _Name, primary_key=True),
    Column("payload", Text, nullable=False),
    Column("actor", _Name, nullable=False),
    Column("at", Instant, nullable=False),
)

events = Table(
    "flowstone_events",
    metadata,
    Column("seq", _Serial, primary_key=True, autoincrement=True),
    Column("at", Instant, nullable=False),
    Column("run", _Name, nullable=False),
    Column("name", _Name, nullable=False),
    Column("asset", _Name, nullable=False),
    Column("key", _Name, nullable=False),
    Column("outcome", _Name, nullable=False),
    Column("data", Text, nullable=False),
    Index("flowstone_events_run", "run", "seq"),
)

audit = Table(
    "flowstone_audit",
    metadata,
    Column("seq", _Serial, primary_key=True, autoincrement=True),
    Column("at", Instant, nullable=False),
    Column("pipeline", _Name, nullable=False),
    Column("actor", _Name, nullable=False),
    Column("action", _Name, nullable=False),
    Column("subject", _Name, nullable=False),
    Column("run", _Name, nullable=False),
    Column("data", Text, nullable=False),
    Index("flowstone_audit_recent", "pipeline", "seq"),
    Index("flowstone_audit_subject", "pipeline", "subject", "seq"),
)

outbox = Table(
    "flowstone_outbox",
    metadata,
    Column("seq", _Serial, primary_key=True, autoincrement=True),
    Column("pipeline", _Name, nullable=False),
    Column("workflow", _Name, nullable=False),
    Column("run", _Name, nullable=False),
    Column("gate", _Name, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("tries", Integer, nullable=False, default=0),
    Index("flowstone_outbox_due", "pipeline", "due_at"),
)

secrets = Table(
    "flowstone_secrets",
    metadata,
    Column("name", _Name, primary_key=True),
    Column("value", Text, nullable=False),
)

sensors = Table(
    "flowstone_sensors",
    metadata,
    Column("pipeline", _Name, primary_key=True),
    Column("name", _Name, primary_key=True),
    Column("cursor", Text, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("error", Text, nullable=False),
    Column("due_at", Instant),
    Column("moved_at", Instant, nullable=False),
)

sensor_ticks = Table(
    "flowstone_sensor_ticks",
    metadata,
    Column("seq", _Serial, primary_key=True, autoincrement=True),
    Column("id", _Name, nullable=False, unique=True),
    Column("pipeline", _Name, nullable=False),
    Column("sensor", _Name, nullable=False),
    Column("at", Instant, nullable=False),
    Column("outcome", _Name, nullable=False),
    Column("why", Text, nullable=False),
    Column("found", Integer, nullable=False),
    Column("started", Integer, nullable=False),
    Index("flowstone_sensor_ticks_recent", "pipeline", "sensor", "seq"),
)

triggers = Table(
    "flowstone_triggers",
    metadata,
    Column("seq", _Serial, primary_key=True, autoincrement=True),
    Column("id", _Name, nullable=False, unique=True),
    Column("pipeline", _Name, nullable=False),
    Column("tick", _Name, nullable=False),
    Column("run", _Name, nullable=False),
    Column("due_at", Instant),
    Index("flowstone_triggers_due", "pipeline", "due_at"),
    Index("flowstone_triggers_tick", "tick", "seq"),
)
