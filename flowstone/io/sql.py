"""Values in one table of a SQL database; what the databases share."""

from __future__ import annotations

import json
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Literal, TypeVar, cast

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, IntegrityError

from flowstone.core.errors import CodecError, ValueNotFound
from flowstone.io.base import Slot, Stored, address, refused, start_of
from flowstone.io.codecs import Encoded, encode, restore

__all__ = ["COLUMNS", "ON_CONFLICT", "Row", "SqlIO"]

T = TypeVar("T")

Row = tuple[str, str, bytes, str, str]
"""What is in `COLUMNS`, in their order; the facts are JSON."""

COLUMNS = "location, codec, data, digest, facts"
ON_CONFLICT = """
    ON CONFLICT (location) DO UPDATE SET digest = NULL
    WHERE kept.digest <> excluded.digest
"""
"""Leaves a row that is there already; another value violates the table, and fails."""

_DIGEST = COLUMNS.split(", ").index("digest")
_PAGE = 1_000

_LARGEST = 990_000_000
"""Bytes of a value; both databases end a little above."""


class SqlIO(ABC):
    """Keeps each value as a row of one table, which it makes when it is missing.

    A connection that broke since it was last used is replaced, and the statement done
    again: all of them are idempotent. That a database cannot be reached at all is left
    as its driver's error; whoever called tries again.
    """

    takes_encoded: Literal[True] = True
    in_process: bool = False

    def __init__(self, *, prefix: str, table: str, mark: str) -> None:
        self._prefix = prefix
        # a table's name is checked by then, and quoted
        where = f"FROM {table} WHERE location = {mark}"
        self._find = f"SELECT codec, data {where}"
        self._forget = f"DELETE {where}"
        some = f"FROM {table} WHERE substr(location, 1, {mark}) = {mark}"
        rest = f"AND location > {mark} ORDER BY location LIMIT {mark}"
        self._list = f"SELECT location, length(data) {some} {rest}"
        self._lock = threading.Lock()
        self._engine: Engine | None = None
        self._has_table = False

    def store(self, value: object, at: Slot) -> Stored:
        """Keep one value."""
        return self.store_many([(value, at)])[0]

    def store_many(self, values: Sequence[tuple[object, Slot]]) -> list[Stored]:
        """Keep all of the values or none, in one transaction."""
        kept = [(address(self._prefix, at.path), encode(value)) for value, at in values]
        # a statement may not touch a row twice, nor two lock rows in different orders
        each: dict[str, Row] = {}
        for location, encoded in kept:
            row = each.setdefault(location, _row(location, encoded))
            if row[_DIGEST] != encoded.digest:
                raise refused(location)
        rows = [each[location] for location in sorted(each)]
        if rows:
            self._repeated(lambda engine: self._keep_all(engine, rows))
        return [encoded.stored_at(location) for location, encoded in kept]

    def load(self, at: Stored, want: object) -> object:
        """Give a fresh value."""
        found = self._repeated(lambda engine: self._row_at(engine, at.location))
        if found is None:
            reason = f"{self!r} does not have it, or no longer. Materialize it again."
            raise ValueNotFound(asset=at.location, reason=reason)
        codec, data = found
        return restore(codec, data, at=at, want=want)

    def delete(self, at: Stored) -> None:
        """Forget a value."""
        self._repeated(lambda engine: self._delete(engine, at.location))

    def list_locations(self, prefix: str = "") -> Iterator[tuple[str, int]]:
        """Give where values are kept, and their bytes, some at a time."""
        start, last = start_of(self._prefix, prefix), ""
        while True:
            page = self._repeated(partial(self._page, start=start, after=last))
            yield from page
            if len(page) < _PAGE:
                return
            last = page[-1][0]

    def check(self) -> None:
        """Look for a value that is not there, as for any other."""
        self._repeated(lambda engine: self._row_at(engine, ""))

    def close(self) -> None:
        """Close all connections; using the manager again opens new ones."""
        with self._lock:
            engine, self._engine = self._engine, None
        if engine is not None:
            engine.dispose()

    @abstractmethod
    def _open(self) -> Engine:
        """Make the engine; nothing is connected before it is used."""

    @abstractmethod
    def _make_table(self, engine: Engine) -> None:
        """Make the table if it is missing, which others may do at the same moment."""

    @abstractmethod
    def _reading(self, engine: Engine) -> AbstractContextManager[Connection]:
        """Lend a connection for one statement that reads."""

    @abstractmethod
    def _writing(self, engine: Engine) -> AbstractContextManager[Connection]:
        """Lend a connection for one statement that writes."""

    @abstractmethod
    def _keep(self, engine: Engine, rows: Sequence[Row]) -> None:
        """Insert or replace rows, all or none."""

    def _keep_all(self, engine: Engine, rows: Sequence[Row]) -> None:
        try:
            self._keep(engine, rows)
        except IntegrityError as error:
            if "digest" not in str(error.orig):
                raise
            # not its cause: a database may quote the row
            where = rows[0][0] if len(rows) == 1 else f"one of {len(rows)} locations"
            raise refused(where) from None

    def _page(
        self, engine: Engine, *, start: str, after: str
    ) -> Sequence[tuple[str, int]]:
        with self._reading(engine) as connection:
            found = connection.exec_driver_sql(
                self._list, (len(start), start, after, _PAGE)
            )
            return [(str(location), int(size)) for location, size in found]

    def _row_at(self, engine: Engine, location: str) -> tuple[str, bytes] | None:
        with self._reading(engine) as connection:
            row = connection.exec_driver_sql(self._find, (location,)).one_or_none()
        return None if row is None else (cast("str", row[0]), bytes(row[1]))

    def _delete(self, engine: Engine, location: str) -> None:
        with self._writing(engine) as connection:
            connection.exec_driver_sql(self._forget, (location,))

    def _repeated(self, work: Callable[[Engine], T]) -> T:
        try:
            return work(self._ready())
        except DBAPIError as error:
            # whatever happened to the database may have happened to the table
            self._has_table = False
            if not error.connection_invalidated:
                raise
        return work(self._ready())

    def _ready(self) -> Engine:
        with self._lock:
            if self._engine is None:
                self._engine = self._open()
            engine = self._engine
        # not under the lock: threads would wait for each other's timeouts
        if not self._has_table:
            self._make_table(engine)
            self._has_table = True
        return engine


def _row(location: str, encoded: Encoded) -> Row:
    if len(encoded.data) > _LARGEST:
        reason = (
            f"its {len(encoded.data):,} bytes are more than a database takes. Give the "
            "asset's io a manager of files or objects, such as S3IO."
        )
        raise CodecError(type_name=encoded.codec, reason=reason)
    facts = json.dumps(dict(encoded.facts))
    return location, encoded.codec, encoded.data, encoded.digest, facts
