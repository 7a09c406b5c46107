"""The embedded stack: Temporal and PostgreSQL from their wheels, started as one."""

from flowstone.stack.embedded import Stack
from flowstone.stack.postgres import PostgresServer
from flowstone.stack.temporal import TemporalServer

__all__ = ["PostgresServer", "Stack", "TemporalServer"]
