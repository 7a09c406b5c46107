"""The tables of what comes from outside: early answers, and a log of deliveries."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text

from flowstone.ledger.columns import Instant, Name, metadata

__all__ = ["answers", "deliveries", "handed", "outside_answers"]

answers = Table(
    "flowstone_answers",
    metadata,
    Column("gate", Name, primary_key=True),
    Column("payload", Text, nullable=False),
    Column("actor", Name, nullable=False),
    Column("at", Instant, nullable=False),
)

handed = Table(
    "flowstone_handed",
    metadata,
    Column("gate", Name, primary_key=True),
    Column("pipeline", Name, nullable=False),
    Column("run", Name, nullable=False),
    Column("asset", Name, nullable=False),
    Column("key", Name, nullable=False),
    Column("at", Instant, nullable=False),
)
"""Gates whose token was handed out, and that are not open yet."""

outside_answers = Table(
    "flowstone_outside_answers",
    metadata,
    Column("asset", Name, primary_key=True),
    Column("outside", Name, primary_key=True),
    Column("payload", Text, nullable=False),
    Column("actor", Name, nullable=False),
    Column("at", Instant, nullable=False),
)

deliveries = Table(
    "flowstone_deliveries",
    metadata,
    Column("id", Name, primary_key=True),
    Column("pipeline", Name, nullable=False),
    Column("at", Instant, nullable=False),
    Column("gate", Name, nullable=False),
    Column("run", Name, nullable=False),
    Column("asset", Name, nullable=False),
    Column("key", Name, nullable=False),
    Column("source", Name, nullable=False),
    Column("actor", Name, nullable=False),
    Column("outcome", Name, nullable=False),
    Column("status", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("headers", Text, nullable=False),
    Column("payload", Text),
    Column("digest", Name, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("replay_of", Name),
    Index("flowstone_deliveries_recent", "pipeline", "at"),
    Index("flowstone_deliveries_gate", "gate", "at"),
)
