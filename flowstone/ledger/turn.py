"""One transaction that writes: where, for which app, and when."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from flowstone.ledger.batch import Batch
from flowstone.ledger.dialect import Dialect

__all__ = ["Turn"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What the statements of one transaction share.

    Attributes:
        conn: the connection, in a transaction that may write.
        dialect: the kind of its database.
        pipeline: the app's name.
        at: the instant that its rows bear.
    """

    conn: Connection
    dialect: Dialect
    pipeline: str
    at: datetime

    @staticmethod
    def take(conn: Connection, dialect: Dialect, pipeline: str) -> Turn:
        """Begin one now, by the database's clock."""
        # Together: where the transaction begins with it, that is the same way.
        with dialect.together(conn) as send:
            at = send.clock()
        return Turn(conn=conn, dialect=dialect, pipeline=pipeline, at=at())

    def together(self) -> AbstractContextManager[Batch]:
        """Send statements together; see `Dialect.together`."""
        return self.dialect.together(self.conn)
