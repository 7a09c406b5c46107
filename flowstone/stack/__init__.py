"""The embedded stack: Temporal, PostgreSQL and S3 from their wheels, as one."""

from flowstone.stack.embedded import Stack
from flowstone.stack.postgres import PostgresServer
from flowstone.stack.s3 import S3Server
from flowstone.stack.temporal import TemporalServer

__all__ = ["PostgresServer", "S3Server", "Stack", "TemporalServer"]
