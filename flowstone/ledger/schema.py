"""The tables. Alembic's revisions beside this make them in a database.

A cell is (run, node, key number, item); the key's text is beside it where people or
other runs look for it. JSON is kept as text: nothing asks SQL to look inside.

A release's tables are frozen: what changes here becomes a revision of its own.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from flowstone.ledger.columns import Instant, Name, Serial, metadata
from flowstone.ledger.inbox import answers, deliveries, handed, outside_answers

__all__ = [
    "REVISION",
    "Instant",
    "answers",
    "attempts",
    "audit",
    "claims",
    "deliveries",
    "events",
    "gates",
    "handed",
    "input_members",
    "metadata",
    "outbox",
    "outside_answers",
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

REVISION = "0004_hooks"
"""The newest revision, which the code of this release needs."""


def _cell() -> list[Column[object]]:
    return [
        Column("run", Name, nullable=False),
        Column("node", Integer, nullable=False),
        Column("key_number", Integer, nullable=False, default=0),
        Column("item", Integer, nullable=False, default=-1),
    ]


runs = Table(
    "flowstone_runs",
    metadata,
    Column("id", Name, primary_key=True),
    Column("pipeline", Name, nullable=False),
    Column("workflow", Name, nullable=False),
    Column("verb", Name, nullable=False),
    Column("asset", Name, nullable=False),
    Column("key", Name, nullable=False),
    Column("keys", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("request_hash", Name, nullable=False),
    Column("user_key", Name),
    Column("actor", Name, nullable=False),
    Column("owner", Name, nullable=False, default=""),
    Column("status", Name, nullable=False),
    Column("reason", Text, nullable=False, default=""),
    Column("plan", Name),
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
    Column("digest", Name, primary_key=True),
    Column("body", Text, nullable=False),
)

run_nodes = Table(
    "flowstone_run_nodes",
    metadata,
    Column("run", Name, primary_key=True),
    Column("key_number", Integer, primary_key=True),
    Column("node", Integer, primary_key=True),
    Column("state", Integer, nullable=False),
    Column("version", Name),
    Column("reason", Text, nullable=False, default=""),
    Column("error", Text),
)

claims = Table(
    "flowstone_claims",
    metadata,
    Column("asset", Name, primary_key=True),
    Column("key", Name, primary_key=True),
    Column("run", Name, nullable=False),
    Column("workflow", Name, nullable=False),
    Column("dispatch", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("gate", Name),
    Column("policy", Name, nullable=False),
    Column("taken_at", Instant, nullable=False),
    Index("flowstone_claims_run", "run", "workflow", "dispatch"),
)

waiters = Table(
    "flowstone_waiters",
    metadata,
    Column("asset", Name, primary_key=True),
    Column("key", Name, primary_key=True),
    Column("workflow", Name, primary_key=True),
    Column("run", Name, nullable=False),
)

attempts = Table(
    "flowstone_attempts",
    metadata,
    Column("id", Name, primary_key=True),
    *_cell(),
    Column("asset", Name, nullable=False),
    Column("key", Name, nullable=False),
    Column("workflow", Name, nullable=False),
    Column("dispatch", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("number", Integer, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("io", Name, nullable=False),
    Column("path", Text, nullable=False),
    Column("alone", Boolean, nullable=False),
    Column("state", Name, nullable=False),
    Column("error", Text),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Index("flowstone_attempts_cell", "run", "key_number", "node"),
    Index("flowstone_attempts_recent", "asset", "key", "id"),
)

versions = Table(
    "flowstone_versions",
    metadata,
    Column("seq", Serial, primary_key=True, autoincrement=True),
    Column("id", Name, nullable=False, unique=True),
    *_cell(),
    Column("asset", Name, nullable=False),
    Column("key", Name, nullable=False),
    Column("data_version", Name, nullable=False),
    Column("code", Name, nullable=False),
    Column("inputs", Name, nullable=False),
    Column("io", Name, nullable=False),
    Column("location", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("digest", Name, nullable=False),
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
    Column("asset", Name, primary_key=True),
    Column("key", Name, primary_key=True),
    Column("version", Name),
    Column("fence", BigInteger, nullable=False),
    Column("moved_at", Instant, nullable=False),
)

input_members = Table(
    "flowstone_input_members",
    metadata,
    Column("inputs", Name, primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("parameter", Text, nullable=False),
    Column("version", Name, nullable=False),
    Index("flowstone_input_members_version", "version"),
)

gates = Table(
    "flowstone_gates",
    metadata,
    Column("id", Name, primary_key=True),
    *_cell(),
    Column("asset", Name, nullable=False),
    Column("key", Name, nullable=False),
    Column("pipeline", Name, nullable=False),
    Column("workflow", Name, nullable=False),
    Column("state", Name, nullable=False),
    Column("on_timeout", Name, nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("deadline", Instant),
    Column("decided_at", Instant),
    Column("winner", Name, nullable=False, default=""),
    Column("payload", Text),
    Column("seen", Boolean, nullable=False, default=False),
    Column("inputs", Name, nullable=False),
    Column("kind", Name, nullable=False, server_default="signal"),
    Column("rounds", Integer, nullable=False, server_default="1"),
    Column("timeout_millis", BigInteger),
    Column("extensions", Integer, nullable=False, server_default="0"),
    Column("reminders", Text, nullable=False, server_default=""),
    Column("message", Text, nullable=False, server_default=""),
    Column("held", Name),
    Column("required", Integer, nullable=False, server_default="1"),
    Column("escalate_to", Name, nullable=False, server_default=""),
    Column("escalated_to", Name, nullable=False, server_default=""),
    Column("decision", Name, nullable=False, server_default=""),
    Column("comment", Text, nullable=False, server_default=""),
    Column("edits", Text),
    Column("outside", Name),
    Index("flowstone_gates_run", "run", "state"),
    Index("flowstone_gates_state", "pipeline", "state", "opened_at"),
    Index(
        "flowstone_gates_outside",
        "asset",
        "outside",
        "opened_at",
        postgresql_where=text("outside IS NOT NULL"),
        sqlite_where=text("outside IS NOT NULL"),
    ),
    # The world's own id is one gate's, for as long as it waits.
    Index(
        "flowstone_gates_outside_waiting",
        "asset",
        "outside",
        unique=True,
        postgresql_where=text("state = 'waiting'"),
        sqlite_where=text("state = 'waiting'"),
    ),
)

events = Table(
    "flowstone_events",
    metadata,
    Column("seq", Serial, primary_key=True, autoincrement=True),
    Column("at", Instant, nullable=False),
    Column("run", Name, nullable=False),
    Column("name", Name, nullable=False),
    Column("asset", Name, nullable=False),
    Column("key", Name, nullable=False),
    Column("outcome", Name, nullable=False),
    Column("data", Text, nullable=False),
    Index("flowstone_events_run", "run", "seq"),
)

audit = Table(
    "flowstone_audit",
    metadata,
    Column("seq", Serial, primary_key=True, autoincrement=True),
    Column("at", Instant, nullable=False),
    Column("pipeline", Name, nullable=False),
    Column("actor", Name, nullable=False),
    Column("action", Name, nullable=False),
    Column("subject", Name, nullable=False),
    Column("run", Name, nullable=False),
    Column("data", Text, nullable=False),
    Index("flowstone_audit_recent", "pipeline", "seq"),
    Index("flowstone_audit_subject", "pipeline", "subject", "seq"),
)

outbox = Table(
    "flowstone_outbox",
    metadata,
    Column("seq", Serial, primary_key=True, autoincrement=True),
    Column("pipeline", Name, nullable=False),
    Column("workflow", Name, nullable=False),
    Column("run", Name, nullable=False),
    Column("gate", Name, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("tries", Integer, nullable=False, default=0),
    Index("flowstone_outbox_due", "pipeline", "due_at"),
)

secrets = Table(
    "flowstone_secrets",
    metadata,
    Column("name", Name, primary_key=True),
    Column("value", Text, nullable=False),
)

sensors = Table(
    "flowstone_sensors",
    metadata,
    Column("pipeline", Name, primary_key=True),
    Column("name", Name, primary_key=True),
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
    Column("seq", Serial, primary_key=True, autoincrement=True),
    Column("id", Name, nullable=False, unique=True),
    Column("pipeline", Name, nullable=False),
    Column("sensor", Name, nullable=False),
    Column("at", Instant, nullable=False),
    Column("outcome", Name, nullable=False),
    Column("why", Text, nullable=False),
    Column("found", Integer, nullable=False),
    Column("started", Integer, nullable=False),
    Index("flowstone_sensor_ticks_recent", "pipeline", "sensor", "seq"),
)

triggers = Table(
    "flowstone_triggers",
    metadata,
    Column("seq", Serial, primary_key=True, autoincrement=True),
    Column("id", Name, nullable=False, unique=True),
    Column("pipeline", Name, nullable=False),
    Column("tick", Name, nullable=False),
    Column("run", Name, nullable=False),
    Column("due_at", Instant),
    Index("flowstone_triggers_due", "pipeline", "due_at"),
    Index("flowstone_triggers_tick", "tick", "seq"),
)
