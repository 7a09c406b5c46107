"""The first tables, the fences, and a log that cannot be rewritten."""

from __future__ import annotations

from alembic import op

from flowstone.ledger.schema import metadata

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_POSTGRES = (
    "CREATE SEQUENCE IF NOT EXISTS flowstone_fences",
    """
    CREATE OR REPLACE FUNCTION flowstone_append_only() RETURNS trigger
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
)


def upgrade() -> None:
    """Make the tables of the first release."""
    connection = op.get_bind()
    metadata.create_all(connection)
    postgres = connection.dialect.name == "postgresql"
    for statement in _POSTGRES if postgres else _SQLITE:
        op.execute(statement)
