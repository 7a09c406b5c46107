"""The ledger on Postgres, through psycopg."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime

import psycopg
from sqlalchemy import (
    BindParameter,
    Column,
    ColumnElement,
    Connection,
    Engine,
    TextClause,
    any_,
    bindparam,
    create_engine,
    event,
    func,
    select,
    text,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from flowstone.ledger.arrays import write_arrays
from flowstone.ledger.batch import Batch
from flowstone.ledger.dialect import Dialect, Query
from flowstone.ledger.wire import Sent, Wording, driver

__all__ = ["Postgres"]

_PATIENCE: Mapping[str, object] = {
    "connect_timeout": 10,
    # A server that is gone without a word is noticed within a minute.
    "keepalives_idle": 20,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}

_LAST_FENCE = text("SELECT last_value FROM flowstone_fences")
_RAISE_FENCES = text(
    "SELECT setval('flowstone_fences', "
    "GREATEST(nextval('flowstone_fences'), CAST(:least AS bigint)))"
)
_TAKE_TURNS = text(
    "SELECT pg_advisory_xact_lock(hashtextextended(name, 0)) "
    "FROM unnest(CAST(:names AS text[])) AS asked(name)"
)
_BOUNDS = """
SELECT set_config(bound.name, bound.value, false)
FROM (VALUES ('idle_in_transaction_session_timeout', '30s'),
             ('transaction_timeout', '60s')) AS bound(name, value)
JOIN pg_settings USING (name)
WHERE setting = '0'
UNION ALL SELECT set_config('default_transaction_isolation', 'read committed', false)
"""
_UNBOUND = text(
    "SELECT set_config(name, '0', true) FROM pg_settings "
    "WHERE name = 'transaction_timeout'"
)
_BOUNDED = 170_000
"""The version of the server from which on it ends transactions that take too long."""
_NO_WHOLE_TABLES = text(
    "SELECT set_config(name, 'off', true) FROM unnest("
    "ARRAY['enable_seqscan', 'enable_hashjoin', 'enable_mergejoin']) AS way(name)"
)
_RECENT = text(
    "SELECT asked.asset, percentile_disc(0.5) WITHIN GROUP (ORDER BY v.millis) "
    "FROM unnest(CAST(:assets AS text[])) asked(asset), "
    "LATERAL (SELECT millis FROM flowstone_versions WHERE asset = asked.asset "
    "ORDER BY seq DESC LIMIT :most) v WHERE v.millis >= 0 GROUP BY asked.asset"
)


class Postgres(Dialect):
    """Postgres: arrays as parameters, so that one statement serves many rows.

    Args:
        url: where it is.
    """

    def __init__(self, url: URL) -> None:
        super().__init__(_engine(url))
        # What only reads needs no transaction: to begin and end one costs two trips.
        self._reads = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._wording = Wording(self)

    @contextmanager
    def begin(self) -> Generator[Connection]:
        """Open a transaction; the driver's own errors are told as others are."""
        with super().begin() as conn, self._told(conn):
            yield conn

    @contextmanager
    def reading(self) -> Generator[Connection]:
        """Open a connection that only reads, with errors told as others are."""
        with self._reads.connect() as conn, self._told(conn):
            yield conn

    @contextmanager
    def _told(self, conn: Connection) -> Generator[None]:
        try:
            yield
        except psycopg.Error as error:
            lost = driver(conn).closed
            if lost:
                conn.invalidate(error)
            raise DBAPIError.instance(
                None, None, error, psycopg.Error, connection_invalidated=lost
            ) from error

    @contextmanager
    def together(self, conn: Connection) -> Generator[Batch]:
        """Send statements in one pipeline of the driver's.

        A session that stops in the middle of one is not idle, as its server sees it:
        where that does not bound transactions, each statement is sent by itself.
        """
        here = driver(conn)
        bounded = here.info.server_version >= _BOUNDED
        with here.pipeline() if bounded else nullcontext():
            yield self.singly(conn)

    def singly(self, conn: Connection) -> Batch:
        """Hand statements to the driver."""
        return Sent(conn, self._wording)

    def look_up(self, conn: Connection) -> None:
        """Forbid plans that read a whole table.

        Postgres cannot know how far a walk goes, guesses that it is far, and reads one
        to be prepared.
        """
        conn.execute(_NO_WHOLE_TABLES)

    def unbound(self, conn: Connection) -> None:
        """Let the transaction take its time."""
        conn.execute(_UNBOUND)

    def now(self) -> ColumnElement[datetime]:
        """Ask the server's clock."""
        return func.clock_timestamp()

    def last_fence(self, conn: Connection) -> int:
        """Ask the sequence."""
        return int(conn.execute(_LAST_FENCE).scalar_one())

    def raise_fences(self, conn: Connection, least: int) -> None:
        """Set the sequence, never back."""
        conn.execute(_RAISE_FENCES, {"least": least})

    def take_turns(self, conn: Connection, names: Sequence[str]) -> None:
        """Take an advisory lock for each name, until the transaction ends."""
        conn.execute(_TAKE_TURNS, {"names": list(names)})

    def among(
        self, what: Column[object], values: Sequence[object]
    ) -> ColumnElement[bool]:
        """Compare with one array."""
        kind = ARRAY(type(what.type))
        return what == any_(bindparam(None, list(values), type_=kind, unique=True))

    def listed(self, what: Column[object], name: str) -> ColumnElement[bool]:
        """Compare with an array."""
        return what == any_(bindparam(name, type_=ARRAY(type(what.type))))

    def paired(
        self, one: Column[object], other: Column[object], name: str
    ) -> ColumnElement[bool]:
        """Compare with two arrays, side by side."""
        sides = [
            bindparam(f"{name}_{i}", type_=ARRAY(type(column.type)))
            for i, column in enumerate((one, other))
        ]
        return _side_by_side(one, other, sides)

    def pairs_as(
        self, name: str, values: Collection[tuple[object, object]]
    ) -> dict[str, object]:
        """Give two arrays."""
        return {f"{name}_{i}": [v[i] for v in values] for i in (0, 1)}

    def pairs(
        self,
        one: Column[object],
        other: Column[object],
        values: Collection[tuple[object, object]],
    ) -> ColumnElement[bool]:
        """Compare with two arrays, side by side."""
        sides = [
            bindparam(None, [v[i] for v in values], type_=ARRAY(type(column.type)))
            for i, column in enumerate((one, other))
        ]
        return _side_by_side(one, other, sides)

    def locked(self, query: Query, *, share: bool = False, skip: bool = False) -> Query:
        """Say FOR UPDATE, or FOR SHARE."""
        return query.with_for_update(read=share, skip_locked=skip)

    def ask_millis(
        self, send: Batch, assets: Sequence[str], most: int
    ) -> Callable[[], dict[str, int]]:
        """Look into the index once for each asset, in one statement."""
        asked = send.ask(_recent, {"assets": list(assets), "most": most})
        return lambda: {str(asset): int(millis) for asset, millis in asked.rows()}

    def is_conflict(self, error: DBAPIError) -> bool:
        """Recognise a deadlock and a failed serialization."""
        return getattr(error.orig, "sqlstate", None) in {"40P01", "40001"}

    def is_lost(self, error: DBAPIError) -> bool:
        """Recognise a broken connection, and a session that the server has ended."""
        ended = getattr(error.orig, "sqlstate", None) in {
            "25P03",
            "25P04",
            "57P01",
            "57P02",
        }
        return ended or error.connection_invalidated


def _recent(_: Dialect) -> TextClause:
    return _RECENT


def _side_by_side(
    one: Column[object],
    other: Column[object],
    sides: Sequence[BindParameter[Sequence[object]]],
) -> ColumnElement[bool]:
    asked = func.unnest(*sides).table_valued("one", "other", name="asked")
    asked = asked.render_derived()
    return tuple_(one, other).in_(select(asked.c.one, asked.c.other))


def _engine(url: URL) -> Engine:
    asked = {k: v for k, v in _PATIENCE.items() if k not in url.query}
    engine = create_engine(
        url,
        # Locks are explicit: a server that is set to another level must not add more.
        isolation_level="READ COMMITTED",
        # An error is shown to people; what was written may be secret.
        hide_parameters=True,
        pool_size=10,
        max_overflow=40,
        pool_recycle=1800,
        pool_use_lifo=True,
        connect_args={**asked, "application_name": "flowstone"},
    )
    event.listen(engine, "connect", _prepare)
    return engine


def _prepare(connection: psycopg.Connection, _: ConnectionPoolEntry) -> None:
    """Have the server end a session that stops in the middle of a transaction.

    A worker that is frozen there would hold its locks until it is thawed.
    """
    write_arrays(connection)
    connection.execute(_BOUNDS)
    connection.commit()
