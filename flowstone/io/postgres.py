"""Values in a table of Postgres; a pack's values in one statement."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager

from psycopg import Connection as RawConnection
from psycopg import Cursor
from psycopg.pq import Format
from psycopg.rows import TupleRow
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, ProgrammingError

from flowstone.core.errors import ConfigurationError
from flowstone.io.sql import COLUMNS, ON_CONFLICT, Row, SqlIO

__all__ = ["PostgresIO"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}(\.[A-Za-z_][A-Za-z0-9_]{0,62})?")
_SCHEMES = {"postgres", "postgresql", "postgresql+psycopg"}
_STATEMENT_BYTES = 64_000_000
"""Data in one statement; Postgres takes messages below 1 GiB."""


class PostgresIO(SqlIO):
    """Keeps values in a table, which it makes when it is missing.

    Example:
        ```python
        PostgresIO("postgresql://user:secret@db/shop", table="lake.shop_values")
        ```

    Args:
        dsn: a URL: `postgresql://`, `postgresql+psycopg://` or `postgres://`.
        table: letters, digits and underscores; a schema, which must exist, and a dot
            may precede it. It is quoted, so case matters.

    Raises:
        ConfigurationError: the URL or the table's name is no such thing.
    """

    def __init__(self, dsn: str, *, table: str = "flowstone_values") -> None:
        problems = [p for p in (_problem_of_url(dsn), _problem_of_name(table)) if p]
        if problems:
            raise ConfigurationError(problems=problems)
        quoted = ".".join(f'"{part}"' for part in table.split("."))
        super().__init__(prefix=f"postgres:{table}/", table=quoted, mark="%s")
        self._url = make_url(dsn).set(drivername="postgresql+psycopg")
        self._table = table
        self._insert = _insert(quoted)
        self._upsert = _upsert(quoted)
        self._create = _create(quoted)
        self._exists = f"SELECT to_regclass('{quoted}') IS NOT NULL"

    def __repr__(self) -> str:
        # a query may have secrets too
        shown = self._url.set(query={}).render_as_string(hide_password=True)
        return f"PostgresIO({shown!r}, table={self._table!r})"

    def _open(self) -> Engine:
        return create_engine(
            self._url,
            # one statement is a transaction by itself, and a third of the round trips
            isolation_level="AUTOCOMMIT",
            connect_args={"cursor_factory": _BinaryCursor},
            use_native_hstore=False,  # spares each new connection a query
            hide_parameters=True,  # values have no business in error messages
        )

    def _make_table(self, engine: Engine) -> None:
        with self._writing(engine) as connection:
            # asked first: a role that only reads and writes may not create
            if connection.exec_driver_sql(self._exists).scalar_one():
                return
            try:
                connection.exec_driver_sql(self._create)
            except ProgrammingError as error:
                why = str(error.orig).partition("\n")[0]
                reason = f"{self!r} cannot make its table: {why}. Make it, or give "
                reason += "another table=."
                raise ConfigurationError(problems=[reason]) from error

    def _reading(self, engine: Engine) -> AbstractContextManager[Connection]:
        return self._writing(engine)

    def _writing(self, engine: Engine) -> AbstractContextManager[Connection]:
        return engine.connect()

    def _keep(self, engine: Engine, rows: Sequence[Row]) -> None:
        statements = list(_in_statements(rows))
        alone = len(statements) == 1
        with self._writing(engine) if alone else _together(engine) as connection:
            for some in statements:
                if len(some) == 1:
                    # an array of one would be copied once more on either side
                    connection.exec_driver_sql(self._insert, some[0])
                else:
                    connection.exec_driver_sql(self._upsert, _arrays(some))


def _together(engine: Engine) -> AbstractContextManager[Connection]:
    return engine.execution_options(isolation_level="READ COMMITTED").begin()


class _BinaryCursor(Cursor[TupleRow]):
    """Receives results in binary: in text, bytes take three times as long."""

    def __init__(self, connection: RawConnection[TupleRow], **options: object) -> None:
        super().__init__(connection, **options)
        self.format = Format.BINARY


def _problem_of_url(dsn: str) -> str:
    taken = "PostgresIO takes a URL such as 'postgresql://user:password@host/database'"
    try:
        scheme = make_url(dsn).drivername
    except (ArgumentError, ValueError):
        # not quoted: there may be a password in it
        return f"{taken}; what it was given cannot be read as one."
    return "" if scheme in _SCHEMES else f"{taken}, not one of {scheme!r}."


def _problem_of_name(table: str) -> str:
    if _NAME.fullmatch(table):
        return ""
    return (
        f"{table!r} cannot be the name of a table. Begin with a letter or an "
        "underscore, go on with letters, digits and underscores, up to 63; one dot may "
        "separate the schema from the table."
    )


def _create(table: str) -> str:
    # a lock, since IF NOT EXISTS alone fails where two do it at the same moment
    return f"""
        DO $$ BEGIN
            PERFORM pg_advisory_xact_lock(hashtext('flowstone.io'));
            CREATE TABLE IF NOT EXISTS {table} (
                location text PRIMARY KEY,
                codec text NOT NULL,
                data bytea NOT NULL,
                digest text NOT NULL,
                facts json NOT NULL
            );
        END $$
    """


def _insert(table: str) -> str:
    return f"""
        INSERT INTO {table} AS kept ({COLUMNS}) VALUES (%s, %s, %b, %s, %s)
        {ON_CONFLICT}
    """  # noqa: S608 - the name was checked, and is quoted


def _upsert(table: str) -> str:
    # %b sends arrays in binary: in text, bytes are twice as many
    return f"""
        INSERT INTO {table} AS kept ({COLUMNS})
        SELECT location, codec, data, digest, facts::json
        FROM unnest(%b::text[], %b::text[], %b::bytea[], %b::text[], %b::text[])
            AS given ({COLUMNS})
        {ON_CONFLICT}
    """  # noqa: S608 - the name was checked, and is quoted


def _in_statements(rows: Sequence[Row]) -> Iterator[list[Row]]:
    some: list[Row] = []
    size = 0
    for row in rows:
        if some and size + len(row[2]) > _STATEMENT_BYTES:
            yield some
            some, size = [], 0
        some.append(row)
        size += len(row[2])
    yield some


def _arrays(rows: Sequence[Row]) -> tuple[list[object], ...]:
    return tuple(list(column) for column in zip(*rows, strict=True))
