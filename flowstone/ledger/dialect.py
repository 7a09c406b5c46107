"""What SQLite and Postgres do differently, one class each.

Everything else in the ledger is written once, in SQLAlchemy's words.
"""

from __future__ import annotations

import sqlite3
import threading
from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import TypeVar

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Engine,
    Integer,
    Select,
    Table,
    TextClause,
    any_,
    bindparam,
    create_engine,
    event,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.types import Text

from flowstone.core.errors import ConfigurationError
from flowstone.ledger.schema import Instant

__all__ = ["Dialect", "Row", "dialect_of"]

Row = Mapping[str, object]
S = TypeVar("S", bound=Select)  # pyright: ignore[reportMissingTypeArgument]


class Dialect(ABC):
    """One kind of database; `engine` connects to it."""

    in_process = False

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @contextmanager
    def begin(self) -> Generator[Connection]:
        """Open a transaction that may write, and commit it at the end."""
        with self.engine.begin() as conn:
            yield conn

    @contextmanager
    def reading(self) -> Generator[Connection]:
        """Open a transaction that only reads."""
        with self.engine.connect() as conn:
            yield conn

    @abstractmethod
    def fence(self, conn: Connection) -> int:
        """Draw a number greater than any that was drawn before."""

    @abstractmethod
    def insert(
        self, conn: Connection, table: Table, rows: Sequence[Row], conflict: str = ""
    ) -> None:
        """Insert rows in their order; `conflict` is what follows ON CONFLICT."""

    @abstractmethod
    def insert_returning(
        self,
        conn: Connection,
        table: Table,
        rows: Sequence[Row],
        conflict: str,
        returning: Sequence[str],
    ) -> list[tuple[object, ...]]:
        """Insert rows in their order; give columns of those that took effect."""

    @abstractmethod
    def among(
        self, what: Column[object], values: Sequence[object]
    ) -> ColumnElement[bool]:
        """Tell whether a column is one of many values."""

    @abstractmethod
    def locked(self, query: S, *, share: bool = False, skip: bool = False) -> S:
        """Have a query lock the rows it finds, or pass over those locked already."""

    @abstractmethod
    def recent_millis(
        self, conn: Connection, assets: Sequence[str], most: int
    ) -> list[tuple[str, int]]:
        """Give how long the last versions of each asset took, by the index alone."""

    @abstractmethod
    def is_conflict(self, error: DBAPIError) -> bool:
        """Tell whether a transaction should simply be done again."""


class Postgres(Dialect):
    """Postgres, through psycopg: arrays as parameters, so one statement serves many."""

    def fence(self, conn: Connection) -> int:
        """Draw from the sequence."""
        return int(conn.execute(_NEXT_FENCE).scalar_one())

    def insert(
        self, conn: Connection, table: Table, rows: Sequence[Row], conflict: str = ""
    ) -> None:
        """Insert by one statement over arrays."""
        if rows:
            conn.execute(*self._statement(table, rows, conflict, ()))

    def insert_returning(
        self,
        conn: Connection,
        table: Table,
        rows: Sequence[Row],
        conflict: str,
        returning: Sequence[str],
    ) -> list[tuple[object, ...]]:
        """Insert by one statement over arrays, and read what took effect."""
        if not rows:
            return []
        found = conn.execute(*self._statement(table, rows, conflict, returning))
        return [tuple(row) for row in found]

    def _statement(
        self, table: Table, rows: Sequence[Row], conflict: str, returning: Sequence[str]
    ) -> tuple[TextClause, dict[str, list[object]]]:
        names = tuple(rows[0])
        statement = _unnest(table, names, conflict, tuple(returning))
        return statement, {n: [row[n] for row in rows] for n in names}

    def among(
        self, what: Column[object], values: Sequence[object]
    ) -> ColumnElement[bool]:
        """Compare with one array."""
        kind = ARRAY(type(what.type))
        return what == any_(bindparam(None, list(values), type_=kind, unique=True))

    def locked(self, query: S, *, share: bool = False, skip: bool = False) -> S:
        """Say FOR UPDATE, or FOR SHARE."""
        return query.with_for_update(read=share, skip_locked=skip)

    def recent_millis(
        self, conn: Connection, assets: Sequence[str], most: int
    ) -> list[tuple[str, int]]:
        """Look into the index once for each asset, in one statement."""
        found = conn.execute(_RECENT, {"assets": list(assets), "most": most})
        return [(asset, millis) for asset, millis in found]

    def is_conflict(self, error: DBAPIError) -> bool:
        """Recognise a deadlock and a failed serialization."""
        return getattr(error.orig, "sqlstate", None) in {"40P01", "40001"}


class Sqlite(Dialect):
    """A SQLite file: one writer at a time, so nothing needs to be locked.

    Every transaction that writes begins as such, under one lock of this process: with
    SQLite's defaults, threads that read before they write lose updates silently.
    """

    in_process = True

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._writing = threading.RLock()

    @contextmanager
    def begin(self) -> Generator[Connection]:
        """Open a writing transaction, one at a time."""
        with self._writing, self.engine.connect() as conn:
            conn.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                yield conn
            except BaseException:
                conn.exec_driver_sql("ROLLBACK")
                raise
            conn.exec_driver_sql("COMMIT")

    def fence(self, conn: Connection) -> int:
        """Draw from the one row of a table."""
        return int(conn.execute(_NEXT_FENCE_SQLITE).scalar_one())

    def insert(
        self, conn: Connection, table: Table, rows: Sequence[Row], conflict: str = ""
    ) -> None:
        """Insert row by row, through one prepared statement."""
        if rows:
            statement = _values(table, tuple(rows[0]), conflict, ())
            conn.execute(statement, [dict(row) for row in rows])

    def insert_returning(
        self,
        conn: Connection,
        table: Table,
        rows: Sequence[Row],
        conflict: str,
        returning: Sequence[str],
    ) -> list[tuple[object, ...]]:
        """Insert row by row, and read what took effect."""
        found: list[tuple[object, ...]] = []
        for row in rows:
            statement = _values(table, tuple(row), conflict, tuple(returning))
            found += [tuple(r) for r in conn.execute(statement, dict(row))]
        return found

    def among(
        self, what: Column[object], values: Sequence[object]
    ) -> ColumnElement[bool]:
        """Compare with a list."""
        return what.in_(list(values))

    def locked(self, query: S, *, share: bool = False, skip: bool = False) -> S:
        """Leave the query: the transaction has the whole file."""
        del share, skip
        return query

    def recent_millis(
        self, conn: Connection, assets: Sequence[str], most: int
    ) -> list[tuple[str, int]]:
        """Look into the index once for each asset; here a statement costs little."""
        return [
            (asset, millis)
            for asset in assets
            for (millis,) in conn.execute(
                _RECENT_SQLITE, {"asset": asset, "most": most}
            )
        ]

    def is_conflict(self, error: DBAPIError) -> bool:
        """Recognise a file that another process is writing."""
        return "database is locked" in str(error.orig)


_LONGEST_IDLE = 10_000
"""Milliseconds that a transaction may wait for its client.

A worker that is frozen within one holds locks that others need. After as long as a
heartbeat it counts as lost, and Postgres ends what it had open.
"""

_NEXT_FENCE = text("SELECT nextval('flowstone_fences')")
_NEXT_FENCE_SQLITE = text(
    "UPDATE flowstone_fences SET value = value + 1 RETURNING value"
)

_RECENT = text(
    "SELECT asked.asset, v.millis FROM unnest(CAST(:assets AS text[])) asked(asset), "
    "LATERAL (SELECT millis FROM flowstone_versions WHERE asset = asked.asset "
    "ORDER BY seq DESC LIMIT :most) v"
)
_RECENT_SQLITE = text(
    "SELECT millis FROM flowstone_versions WHERE asset = :asset "
    "ORDER BY seq DESC LIMIT :most"
)


def dialect_of(url: str) -> Dialect:
    """Give the dialect of a database, connecting lazily.

    Args:
        url: `sqlite:///path/to/file`, or `postgresql://user:password@host/name`.

    Raises:
        ConfigurationError: the URL is of neither, or of SQLite in memory.
    """
    try:
        parsed = make_url(url.replace("postgres://", "postgresql://", 1))
    except Exception as error:  # SQLAlchemy's own message repeats the password
        raise ConfigurationError(
            problems=[
                "The ledger's URL cannot be read; write it as "
                "postgresql://user:password@host:5432/name."
            ]
        ) from error
    backend = parsed.get_backend_name()
    if backend == "postgresql":
        return Postgres(_postgres_engine(parsed.set(drivername="postgresql+psycopg")))
    if backend == "sqlite" and parsed.database not in {None, "", ":memory:"}:
        return Sqlite(_sqlite_engine(parsed))
    raise ConfigurationError(
        problems=[
            f"The ledger cannot be on {parsed.drivername!r}: give a Postgres URL, or "
            "sqlite:/// with the path of a file."
        ]
    )


def _postgres_engine(url: URL) -> Engine:
    return create_engine(
        url,
        pool_size=10,
        max_overflow=40,
        pool_recycle=1800,
        pool_use_lifo=True,
        connect_args={
            "connect_timeout": 10,
            "application_name": "flowstone",
            "options": f"-c idle_in_transaction_session_timeout={_LONGEST_IDLE}",
        },
    )


def _sqlite_engine(url: URL) -> Engine:
    engine = create_engine(url, connect_args={"timeout": 30}, pool_size=20)

    event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    # The driver's own BEGIN comes too late: it reads first and then cannot write.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


@lru_cache(maxsize=256)
def _unnest(
    table: Table, names: tuple[str, ...], conflict: str, returning: tuple[str, ...]
) -> TextClause:
    arrays = ", ".join(f"CAST(:{n} AS {_array(table.c[n])})" for n in names)
    columns = ", ".join(names)
    sql = f"INSERT INTO {table.name} ({columns}) SELECT * FROM unnest({arrays})"  # noqa: S608
    return text(sql + _tail(conflict, returning))


@lru_cache(maxsize=256)
def _values(
    table: Table, names: tuple[str, ...], conflict: str, returning: tuple[str, ...]
) -> TextClause:
    columns = ", ".join(names)
    marks = ", ".join(f":{n}" for n in names)
    sql = f"INSERT INTO {table.name} ({columns}) VALUES ({marks})"  # noqa: S608
    kinds = [bindparam(n, type_=table.c[n].type) for n in names]
    return text(sql + _tail(conflict, returning)).bindparams(*kinds)


def _tail(conflict: str, returning: tuple[str, ...]) -> str:
    on_conflict = f" ON CONFLICT {conflict}" if conflict else ""
    return on_conflict + (f" RETURNING {', '.join(returning)}" if returning else "")


def _array(column: Column[object]) -> str:
    kinds: dict[type[object], str] = {
        Text: "text[]",
        BigInteger: "bigint[]",
        Integer: "integer[]",
        Boolean: "boolean[]",
        Instant: "timestamptz[]",
    }
    return kinds[type(column.type)]
