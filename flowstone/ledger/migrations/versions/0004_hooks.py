"""Answers from outside: their own ids, tokens handed out, and a log of deliveries."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004_hooks"
down_revision = "0003_sensors"
branch_labels = None
depends_on = None

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
TEXT = sa.Text()
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make them."""
    op.add_column("flowstone_gates", sa.Column("outside", NAME))
    op.create_index(
        "flowstone_gates_outside",
        "flowstone_gates",
        ["asset", "outside", "opened_at"],
        postgresql_where=sa.text("outside IS NOT NULL"),
        sqlite_where=sa.text("outside IS NOT NULL"),
    )
    op.create_index(
        "flowstone_gates_outside_waiting",
        "flowstone_gates",
        ["asset", "outside"],
        unique=True,
        postgresql_where=sa.text("state = 'waiting'"),
        sqlite_where=sa.text("state = 'waiting'"),
    )
    op.create_table(
        "flowstone_handed",
        sa.Column("gate", NAME, nullable=False),
        sa.Column("pipeline", NAME, nullable=False),
        sa.Column("run", NAME, nullable=False),
        sa.Column("asset", NAME, nullable=False),
        sa.Column("key", NAME, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("gate", name="flowstone_handed_pkey"),
    )
    op.create_table(
        "flowstone_outside_answers",
        sa.Column("asset", NAME, nullable=False),
        sa.Column("outside", NAME, nullable=False),
        sa.Column("payload", TEXT, nullable=False),
        sa.Column("actor", NAME, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint(
            "asset", "outside", name="flowstone_outside_answers_pkey"
        ),
    )
    _make_deliveries()


def _make_deliveries() -> None:
    op.create_table(
        "flowstone_deliveries",
        sa.Column("id", NAME, nullable=False),
        sa.Column("pipeline", NAME, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("gate", NAME, nullable=False),
        sa.Column("run", NAME, nullable=False),
        sa.Column("asset", NAME, nullable=False),
        sa.Column("key", NAME, nullable=False),
        sa.Column("source", NAME, nullable=False),
        sa.Column("actor", NAME, nullable=False),
        sa.Column("outcome", NAME, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("headers", TEXT, nullable=False),
        sa.Column("payload", TEXT),
        sa.Column("digest", NAME, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("replay_of", NAME),
        sa.PrimaryKeyConstraint("id", name="flowstone_deliveries_pkey"),
    )
    for name, columns in (
        ("flowstone_deliveries_recent", ["pipeline", "at"]),
        ("flowstone_deliveries_gate", ["gate", "at"]),
    ):
        op.create_index(name, "flowstone_deliveries", columns)
