"""What a gate does in time, and approvals: gates that hold a value back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002_waits"
down_revision = "0001"
branch_labels = None
depends_on = None

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
TEXT = sa.Text()


def upgrade() -> None:
    """Add what gates of this kind have; those that are there wait for a signal."""
    for column in (
        sa.Column("kind", NAME, nullable=False, server_default="signal"),
        sa.Column("rounds", sa.Integer, nullable=False, server_default="1"),
        sa.Column("timeout_millis", sa.BigInteger),
        sa.Column("extensions", sa.Integer, nullable=False, server_default="0"),
        sa.Column("reminders", TEXT, nullable=False, server_default=""),
        sa.Column("message", TEXT, nullable=False, server_default=""),
        sa.Column("held", NAME),
        sa.Column("required", sa.Integer, nullable=False, server_default="1"),
        sa.Column("escalate_to", NAME, nullable=False, server_default=""),
        sa.Column("escalated_to", NAME, nullable=False, server_default=""),
        sa.Column("decision", NAME, nullable=False, server_default=""),
        sa.Column("comment", TEXT, nullable=False, server_default=""),
        sa.Column("edits", TEXT),
    ):
        op.add_column("flowstone_gates", column)
