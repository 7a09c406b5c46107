"""The first tables, the fences, and a log that cannot be rewritten.

Written out rather than taken from the schema of the day, so that a database that is
made by this revision is the same for ever.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
TEXT = sa.Text()
INSTANT = sa.DateTime(timezone=True)
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

_INDEXES = (
    ("flowstone_runs_recent", "flowstone_runs", ["pipeline", "created_at"]),
    ("flowstone_runs_workflow", "flowstone_runs", ["workflow"]),
    (
        "flowstone_runs_asset",
        "flowstone_runs",
        ["pipeline", "asset", "key", "created_at"],
    ),
    ("flowstone_runs_status", "flowstone_runs", ["status", "created_at"]),
    ("flowstone_claims_run", "flowstone_claims", ["run", "workflow", "dispatch"]),
    ("flowstone_attempts_cell", "flowstone_attempts", ["run", "key_number", "node"]),
    ("flowstone_attempts_recent", "flowstone_attempts", ["asset", "key", "id"]),
    ("flowstone_versions_recent", "flowstone_versions", ["asset", "seq"]),
    ("flowstone_versions_inputs", "flowstone_versions", ["inputs"]),
    ("flowstone_input_members_version", "flowstone_input_members", ["version"]),
    ("flowstone_gates_run", "flowstone_gates", ["run", "state"]),
    ("flowstone_gates_state", "flowstone_gates", ["pipeline", "state", "opened_at"]),
    ("flowstone_events_run", "flowstone_events", ["run", "seq"]),
    ("flowstone_audit_recent", "flowstone_audit", ["pipeline", "seq"]),
    ("flowstone_audit_subject", "flowstone_audit", ["pipeline", "subject", "seq"]),
    ("flowstone_outbox_due", "flowstone_outbox", ["pipeline", "due_at"]),
)
_POSTGRES = (
    "CREATE SEQUENCE flowstone_fences",
    """
    CREATE FUNCTION flowstone_append_only() RETURNS trigger
    LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$
    """,
    """
    CREATE TRIGGER flowstone_audit_append_only
    BEFORE UPDATE OR DELETE ON flowstone_audit
    FOR EACH ROW EXECUTE FUNCTION flowstone_append_only()
    """,
    """
    CREATE TRIGGER flowstone_audit_not_truncated
    BEFORE TRUNCATE ON flowstone_audit
    FOR EACH STATEMENT EXECUTE FUNCTION flowstone_append_only()
    """,
)
_SQLITE = (
    "CREATE TABLE flowstone_fences (value INTEGER NOT NULL)",
    "INSERT INTO flowstone_fences VALUES (0)",
    """
    CREATE TRIGGER flowstone_audit_no_update BEFORE UPDATE ON flowstone_audit
    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END
    """,
    """
    CREATE TRIGGER flowstone_audit_no_delete BEFORE DELETE ON flowstone_audit
    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END
    """,
    # INSERT OR REPLACE deletes without asking the trigger above.
    """
    CREATE TRIGGER flowstone_audit_no_replace BEFORE INSERT ON flowstone_audit
    WHEN EXISTS (SELECT 1 FROM flowstone_audit WHERE seq = NEW.seq)
    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END
    """,
)


def upgrade() -> None:
    """Make the tables of the first release."""
    _make_runs()
    _make_cells()
    _make_attempts()
    _make_versions()
    _make_edges()
    _make_gates()
    _make_logs()
    _make_bells()
    for name, table, columns in _INDEXES:
        op.create_index(name, table, columns)
    postgres = op.get_bind().dialect.name == "postgresql"
    for statement in _POSTGRES if postgres else _SQLITE:
        op.execute(statement)


def _make_runs() -> None:
    op.create_table(
        "flowstone_runs",
        sa.Column("id", NAME, nullable=False),
        sa.Column("pipeline", NAME, nullable=False),
        sa.Column("workflow", NAME, nullable=False),
        sa.Column("verb", NAME, nullable=False),
        sa.Column("asset", NAME, nullable=False),
        sa.Column("key", NAME, nullable=False),
        sa.Column("keys", TEXT, nullable=False),
        sa.Column("request", TEXT, nullable=False),
        sa.Column("request_hash", NAME, nullable=False),
        sa.Column("user_key", NAME),
        sa.Column("actor", NAME, nullable=False),
        sa.Column("owner", NAME, nullable=False),
        sa.Column("status", NAME, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("plan", NAME),
        sa.Column("error", TEXT),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("started_at", INSTANT),
        sa.Column("ended_at", INSTANT),
        sa.Column("swept_at", INSTANT),
        sa.PrimaryKeyConstraint("id", name="flowstone_runs_pkey"),
        sa.UniqueConstraint(
            "pipeline", "user_key", name="flowstone_runs_pipeline_user_key_key"
        ),
    )
    op.create_table(
        "flowstone_plans",
        sa.Column("digest", NAME, nullable=False),
        sa.Column("body", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="flowstone_plans_pkey"),
    )


def _make_cells() -> None:
    op.create_table(
        "flowstone_run_nodes",
        sa.Column("run", NAME, nullable=False),
        sa.Column("key_number", sa.Integer, nullable=False),
        sa.Column("node", sa.Integer, nullable=False),
        sa.Column("state", sa.Integer, nullable=False),
        sa.Column("version", NAME),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("error", TEXT),
        sa.PrimaryKeyConstraint(
            "run", "key_number", "node", name="flowstone_run_nodes_pkey"
        ),
    )
    op.create_table(
        "flowstone_claims",
        sa.Column("asset", NAME, nullable=False),
        sa.Column("key", NAME, nullable=False),
        sa.Column("run", NAME, nullable=False),
        sa.Column("workflow", NAME, nullable=False),
        sa.Column("dispatch", sa.Integer, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("gate", NAME),
        sa.Column("policy", NAME, nullable=False),
        sa.Column("taken_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("asset", "key", name="flowstone_claims_pkey"),
    )
    op.create_table(
        "flowstone_waiters",
        sa.Column("asset", NAME, nullable=False),
        sa.Column("key", NAME, nullable=False),
        sa.Column("workflow", NAME, nullable=False),
        sa.Column("run", NAME, nullable=False),
        sa.PrimaryKeyConstraint(
            "asset", "key", "workflow", name="flowstone_waiters_pkey"
        ),
    )


def _make_attempts() -> None:
    op.create_table(
        "flowstone_attempts",
        sa.Column("id", NAME, nullable=False),
        sa.Column("run", NAME, nullable=False),
        sa.Column("node", sa.Integer, nullable=False),
        sa.Column("key_number", sa.Integer, nullable=False),
        sa.Column("item", sa.Integer, nullable=False),
        sa.Column("asset", NAME, nullable=False),
        sa.Column("key", NAME, nullable=False),
        sa.Column("workflow", NAME, nullable=False),
        sa.Column("dispatch", sa.Integer, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("io", NAME, nullable=False),
        sa.Column("path", TEXT, nullable=False),
        sa.Column("alone", sa.Boolean, nullable=False),
        sa.Column("state", NAME, nullable=False),
        sa.Column("error", TEXT),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT),
        sa.PrimaryKeyConstraint("id", name="flowstone_attempts_pkey"),
    )


def _make_versions() -> None:
    op.create_table(
        "flowstone_versions",
        sa.Column("seq", SERIAL, nullable=False),
        sa.Column("id", NAME, nullable=False),
        sa.Column("run", NAME, nullable=False),
        sa.Column("node", sa.Integer, nullable=False),
        sa.Column("key_number", sa.Integer, nullable=False),
        sa.Column("item", sa.Integer, nullable=False),
        sa.Column("asset", NAME, nullable=False),
        sa.Column("key", NAME, nullable=False),
        sa.Column("data_version", NAME, nullable=False),
        sa.Column("code", NAME, nullable=False),
        sa.Column("inputs", NAME, nullable=False),
        sa.Column("io", NAME, nullable=False),
        sa.Column("location", TEXT, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("digest", NAME, nullable=False),
        sa.Column("facts", TEXT, nullable=False),
        sa.Column("metadata", TEXT, nullable=False),
        sa.Column("millis", sa.BigInteger, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="flowstone_versions_pkey"),
        sa.UniqueConstraint("id", name="flowstone_versions_id_key"),
        sa.UniqueConstraint(
            "run",
            "key_number",
            "node",
            "item",
            name="flowstone_versions_run_key_number_node_item_key",
        ),
    )


def _make_edges() -> None:
    op.create_table(
        "flowstone_pointers",
        sa.Column("asset", NAME, nullable=False),
        sa.Column("key", NAME, nullable=False),
        sa.Column("version", NAME),
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("moved_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("asset", "key", name="flowstone_pointers_pkey"),
    )
    op.create_table(
        "flowstone_input_members",
        sa.Column("inputs", NAME, nullable=False),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("parameter", TEXT, nullable=False),
        sa.Column("version", NAME, nullable=False),
        sa.PrimaryKeyConstraint("inputs", "place", name="flowstone_input_members_pkey"),
    )


def _make_gates() -> None:
    op.create_table(
        "flowstone_gates",
        sa.Column("id", NAME, nullable=False),
        sa.Column("run", NAME, nullable=False),
        sa.Column("node", sa.Integer, nullable=False),
        sa.Column("key_number", sa.Integer, nullable=False),
        sa.Column("item", sa.Integer, nullable=False),
        sa.Column("asset", NAME, nullable=False),
        sa.Column("key", NAME, nullable=False),
        sa.Column("pipeline", NAME, nullable=False),
        sa.Column("workflow", NAME, nullable=False),
        sa.Column("state", NAME, nullable=False),
        sa.Column("on_timeout", NAME, nullable=False),
        sa.Column("opened_at", INSTANT, nullable=False),
        sa.Column("deadline", INSTANT),
        sa.Column("decided_at", INSTANT),
        sa.Column("winner", NAME, nullable=False),
        sa.Column("payload", TEXT),
        sa.Column("seen", sa.Boolean, nullable=False),
        sa.Column("inputs", NAME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="flowstone_gates_pkey"),
    )
    op.create_table(
        "flowstone_answers",
        sa.Column("gate", NAME, nullable=False),
        sa.Column("payload", TEXT, nullable=False),
        sa.Column("actor", NAME, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("gate", name="flowstone_answers_pkey"),
    )


def _make_logs() -> None:
    op.create_table(
        "flowstone_events",
        sa.Column("seq", SERIAL, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("run", NAME, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("asset", NAME, nullable=False),
        sa.Column("key", NAME, nullable=False),
        sa.Column("outcome", NAME, nullable=False),
        sa.Column("data", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="flowstone_events_pkey"),
    )
    op.create_table(
        "flowstone_audit",
        sa.Column("seq", SERIAL, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("pipeline", NAME, nullable=False),
        sa.Column("actor", NAME, nullable=False),
        sa.Column("action", NAME, nullable=False),
        sa.Column("subject", NAME, nullable=False),
        sa.Column("run", NAME, nullable=False),
        sa.Column("data", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="flowstone_audit_pkey"),
    )


def _make_bells() -> None:
    op.create_table(
        "flowstone_outbox",
        sa.Column("seq", SERIAL, nullable=False),
        sa.Column("pipeline", NAME, nullable=False),
        sa.Column("workflow", NAME, nullable=False),
        sa.Column("run", NAME, nullable=False),
        sa.Column("gate", NAME, nullable=False),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="flowstone_outbox_pkey"),
    )
    op.create_table(
        "flowstone_secrets",
        sa.Column("name", NAME, nullable=False),
        sa.Column("value", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("name", name="flowstone_secrets_pkey"),
    )
