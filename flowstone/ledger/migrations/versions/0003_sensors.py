"""Sensors: their cursors, what they have found, and how they looked."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003_sensors"
down_revision = "0002_waits"
branch_labels = None
depends_on = None

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
TEXT = sa.Text()
INSTANT = sa.DateTime(timezone=True)
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

_INDEXES = (
    (
        "flowstone_sensor_ticks_recent",
        "flowstone_sensor_ticks",
        ["pipeline", "sensor", "seq"],
    ),
    ("flowstone_triggers_due", "flowstone_triggers", ["pipeline", "due_at"]),
    ("flowstone_triggers_tick", "flowstone_triggers", ["tick", "seq"]),
)


def upgrade() -> None:
    """Make the tables of sensors."""
    op.create_table(
        "flowstone_sensors",
        sa.Column("pipeline", NAME, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("cursor", TEXT, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("error", TEXT, nullable=False),
        sa.Column("due_at", INSTANT),
        sa.Column("moved_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("pipeline", "name", name="flowstone_sensors_pkey"),
    )
    op.create_table(
        "flowstone_sensor_ticks",
        sa.Column("seq", SERIAL, nullable=False),
        sa.Column("id", NAME, nullable=False),
        sa.Column("pipeline", NAME, nullable=False),
        sa.Column("sensor", NAME, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("outcome", NAME, nullable=False),
        sa.Column("why", TEXT, nullable=False),
        sa.Column("found", sa.Integer, nullable=False),
        sa.Column("started", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="flowstone_sensor_ticks_pkey"),
        sa.UniqueConstraint("id", name="flowstone_sensor_ticks_id_key"),
    )
    op.create_table(
        "flowstone_triggers",
        sa.Column("seq", SERIAL, nullable=False),
        sa.Column("id", NAME, nullable=False),
        sa.Column("pipeline", NAME, nullable=False),
        sa.Column("tick", NAME, nullable=False),
        sa.Column("run", NAME, nullable=False),
        sa.Column("due_at", INSTANT),
        sa.PrimaryKeyConstraint("seq", name="flowstone_triggers_pkey"),
        sa.UniqueConstraint("id", name="flowstone_triggers_id_key"),
    )
    for name, table, columns in _INDEXES:
        op.create_index(name, table, columns)
