"""Statements in the words of Postgres, on the driver's own connection.

SQLAlchemy says each once; from then on only what changes goes through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

import psycopg
from sqlalchemy import (
    BigInteger,
    Boolean,
    ClauseElement,
    ColumnElement,
    Connection,
    Integer,
    Table,
)
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import Text

from flowstone.ledger.batch import Answer, Batch, Build
from flowstone.ledger.dialect import Row, tail
from flowstone.ledger.schema import Instant

if TYPE_CHECKING:
    from flowstone.ledger.dialect import Dialect

__all__ = ["Sent", "Wording", "driver"]

_KINDS: Mapping[type[object], str] = {
    Text: "text",
    BigInteger: "bigint",
    Integer: "integer",
    Boolean: "boolean",
    Instant: "timestamptz",
}
_CLOCK = b"SELECT clock_timestamp()"
_FENCE = b"SELECT nextval('flowstone_fences')"


def driver(conn: Connection) -> psycopg.Connection[tuple[Any, ...]]:
    """Give the driver's connection under one of SQLAlchemy's."""
    return cast(
        "psycopg.Connection[tuple[Any, ...]]", conn.connection.driver_connection
    )


@dataclass(frozen=True, slots=True)
class _Worded:
    """A statement as the driver takes it.

    Attributes:
        text: its words.
        fixed: those of its parameters that never change.
        names: the names of the columns that it gives.
        instants: which of these are moments.
    """

    text: bytes
    fixed: Mapping[str, object]
    names: Sequence[str]
    instants: Sequence[int]


def _worded(dialect: Dialect, statement: ClauseElement) -> _Worded:
    compiled = cast("SQLCompiler", statement.compile(dialect=dialect.engine.dialect))
    columns: Iterable[ColumnElement[Any]] = getattr(statement, "exported_columns", ())
    kinds = {str(column.key): column.type for column in columns}
    return _Worded(
        text=str(compiled).encode(),
        fixed={n: b.value for n, b in compiled.binds.items() if not b.required},
        names=list(kinds),
        instants=[i for i, k in enumerate(kinds.values()) if isinstance(k, Instant)],
    )


class Wording:
    """Words statements, each once.

    Args:
        dialect: whose they are.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._worded: dict[Build, _Worded] = {}

    def __call__(self, build: Build) -> _Worded:
        """Give the words of a statement."""
        found = self._worded.get(build)
        if found is None:
            statement = cast("ClauseElement", self._dialect.prepared(build))
            found = self._worded[build] = _worded(self._dialect, statement)
        return found


class Sent(Batch):
    """Hands statements to the driver, which sends them together in a pipeline.

    Args:
        conn: the connection.
        wording: its dialect's.
    """

    def __init__(self, conn: Connection, wording: Wording) -> None:
        self._driver = driver(conn)
        self._wording = wording

    def ask(self, build: Build, parameters: Mapping[str, object]) -> Answer:
        """Send its words."""
        worded = self._wording(build)
        given = {**worded.fixed, **parameters}
        cursor = self._driver.execute(worded.text, given)
        return Answer(lambda: _fetched(cursor, worded.instants), worded.names)

    def insert(
        self,
        table: Table,
        rows: Sequence[Row],
        conflict: str = "",
        returning: Sequence[str] = (),
    ) -> Answer:
        """Send arrays."""
        if not rows:
            return Answer.empty()
        names = tuple(rows[0])
        if len(rows) == 1:
            values: list[object] = [rows[0][n] for n in names]
        else:
            values = [[row[n] for row in rows] for n in names]
        words = _inserting(table, names, conflict, tuple(returning), len(rows) == 1)
        cursor = self._driver.execute(words, values)
        return Answer(cursor.fetchall, returning) if returning else Answer.empty()

    def clock(self) -> Callable[[], datetime]:
        """Ask the server."""
        cursor = self._driver.execute(_CLOCK)
        return lambda: _only(cursor).astimezone(UTC)

    def fence(self) -> Callable[[], int]:
        """Draw from the sequence."""
        cursor = self._driver.execute(_FENCE)
        return lambda: int(_only(cursor))


def _only(cursor: psycopg.Cursor[tuple[Any, ...]]) -> Any:
    return cursor.fetchall()[0][0]


def _fetched(
    cursor: psycopg.Cursor[tuple[Any, ...]], instants: Sequence[int]
) -> Sequence[Sequence[Any]]:
    """Read rows, with every instant in UTC."""
    rows = cursor.fetchall() if cursor.description else []
    if not instants:
        return rows
    found = [list(row) for row in rows]
    for row in found:
        for i in instants:
            row[i] = row[i] and row[i].astimezone(UTC)
    return found


@lru_cache(maxsize=256)
def _inserting(
    table: Table,
    names: tuple[str, ...],
    conflict: str,
    returning: tuple[str, ...],
    one: bool,
) -> bytes:
    """Word an INSERT of one row, or of as many as its arrays have."""
    kinds = [_KINDS[type(table.c[n].type)] for n in names]
    if one:
        rows = f"VALUES ({', '.join(f'%s::{kind}' for kind in kinds)})"
    else:
        rows = f"SELECT * FROM unnest({', '.join(f'%s::{kind}[]' for kind in kinds)})"  # noqa: S608
    words = f"INSERT INTO {table.name} ({', '.join(names)}) {rows}"
    return (words + tail(conflict, returning)).encode()
