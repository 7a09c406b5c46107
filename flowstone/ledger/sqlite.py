"""The ledger on a SQLite file, within one process."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from statistics import median_low

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Engine,
    Table,
    TextClause,
    bindparam,
    create_engine,
    event,
    text,
    tuple_,
)
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from flowstone.ledger.batch import Answer, Batch, Build
from flowstone.ledger.dialect import Dialect, Query, Row, tail
from flowstone.ledger.schema import Instant

__all__ = ["Sqlite"]

_NEXT_FENCE = text("UPDATE flowstone_fences SET value = value + 1 RETURNING value")
_LAST_FENCE = text("SELECT value FROM flowstone_fences")
_RAISE_FENCES = text("UPDATE flowstone_fences SET value = max(value, :least)")
_RECENT = text(
    "SELECT millis FROM flowstone_versions WHERE asset = :asset "
    "ORDER BY seq DESC LIMIT :most"
)


class Sqlite(Dialect):
    """A SQLite file: one writer at a time, so nothing needs to be locked.

    Every transaction that writes begins as such, under one lock of this process: with
    SQLite's defaults, threads that read before they write lose updates silently.

    Args:
        url: where the file is.
    """

    in_process = True

    def __init__(self, url: URL) -> None:
        super().__init__(_engine(url))
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

    @contextmanager
    def together(self, conn: Connection) -> Generator[Batch]:
        """Do one after the other: a file is not far."""
        yield self.singly(conn)

    def singly(self, conn: Connection) -> Batch:
        """Do each at once."""
        return _AtOnce(self, conn)

    def now(self) -> ColumnElement[datetime]:
        """Ask this process's clock."""
        return bindparam(None, callable_=_now, type_=Instant())

    def last_fence(self, conn: Connection) -> int:
        """Read the one row of a table."""
        return int(conn.execute(_LAST_FENCE).scalar_one())

    def raise_fences(self, conn: Connection, least: int) -> None:
        """Set the one row of a table, never back."""
        conn.execute(_RAISE_FENCES, {"least": least})

    def take_turns(self, conn: Connection, names: Sequence[str]) -> None:
        """Do nothing: all that write take turns."""
        del conn, names

    def among(
        self, what: Column[object], values: Sequence[object]
    ) -> ColumnElement[bool]:
        """Compare with a list."""
        return what.in_(list(values))

    def listed(self, what: Column[object], name: str) -> ColumnElement[bool]:
        """Compare with a list."""
        return what.in_(bindparam(name, expanding=True))

    def paired(
        self, one: Column[object], other: Column[object], name: str
    ) -> ColumnElement[bool]:
        """Compare with a list of pairs."""
        return tuple_(one, other).in_(bindparam(name, expanding=True))

    def pairs_as(
        self, name: str, values: Collection[tuple[object, object]]
    ) -> dict[str, object]:
        """Give the list."""
        return {name: list(values)}

    def pairs(
        self,
        one: Column[object],
        other: Column[object],
        values: Collection[tuple[object, object]],
    ) -> ColumnElement[bool]:
        """Compare with a list of pairs."""
        return tuple_(one, other).in_(list(values))

    def locked(self, query: Query, *, share: bool = False, skip: bool = False) -> Query:
        """Leave the query: the transaction has the whole file."""
        del share, skip
        return query

    def ask_millis(
        self, send: Batch, assets: Sequence[str], most: int
    ) -> Callable[[], dict[str, int]]:
        """Look into the index once for each asset; here a statement costs little."""
        asked = {a: send.ask(_recent, {"asset": a, "most": most}) for a in assets}

        def found() -> dict[str, int]:
            told = {
                a: [m for (m,) in rows.rows() if m >= 0] for a, rows in asked.items()
            }
            return {a: median_low(millis) for a, millis in told.items() if millis}

        return found

    def is_conflict(self, error: DBAPIError) -> bool:
        """Recognise a file that another process is writing."""
        return "database is locked" in str(error.orig)

    def is_lost(self, error: DBAPIError) -> bool:
        """Say no: there is no connection between this process and a file."""
        del error
        return False


def _recent(_: Dialect) -> TextClause:
    return _RECENT


def _now() -> datetime:
    return datetime.now(UTC)


class _AtOnce(Batch):
    """Does what it is given at once."""

    def __init__(self, dialect: Sqlite, conn: Connection) -> None:
        self._dialect = dialect
        self._conn = conn

    def ask(self, build: Build, parameters: Mapping[str, object]) -> Answer:
        """Execute it."""
        found = self._conn.execute(self._dialect.prepared(build), dict(parameters))
        if not found.returns_rows:
            return Answer.empty()
        names, rows = list(found.keys()), found.all()
        return Answer(lambda: rows, names)

    def insert(
        self,
        table: Table,
        rows: Sequence[Row],
        conflict: str = "",
        returning: Sequence[str] = (),
    ) -> Answer:
        """Insert them."""
        if not rows:
            return Answer.empty()
        statement = _values(table, tuple(rows[0]), conflict, tuple(returning))
        if not returning:
            self._conn.execute(statement, [dict(row) for row in rows])
            return Answer.empty()
        # Of many at once, SQLite's driver gives no rows.
        found = [r for row in rows for r in self._conn.execute(statement, dict(row))]
        return Answer(lambda: found, returning)

    def clock(self) -> Callable[[], datetime]:
        """Ask this process."""
        now = _now()
        return lambda: now

    def fence(self) -> Callable[[], int]:
        """Draw it."""
        drawn = int(self._conn.execute(_NEXT_FENCE).scalar_one())
        return lambda: drawn


def _engine(url: URL) -> Engine:
    engine = create_engine(
        url, hide_parameters=True, connect_args={"timeout": 30}, pool_size=20
    )

    event.listen(engine, "connect", _prepare)
    return engine


def _prepare(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    # The driver's own BEGIN comes too late: it reads first and then cannot write.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


@lru_cache(maxsize=256)
def _values(
    table: Table, names: tuple[str, ...], conflict: str, returning: tuple[str, ...]
) -> TextClause:
    columns = ", ".join(names)
    marks = ", ".join(f":{n}" for n in names)
    sql = f"INSERT INTO {table.name} ({columns}) VALUES ({marks})"  # noqa: S608
    kinds = [bindparam(n, type_=table.c[n].type) for n in names]
    return text(sql + tail(conflict, returning)).bindparams(*kinds)
