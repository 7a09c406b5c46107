"""What databases do differently: one protocol, one class each.

Everything else in the ledger is written once, in SQLAlchemy's words. `postgres.py` and
`sqlite.py` have the classes, `url.py` chooses between them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from typing import Self, TypeVar, cast

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Engine,
    Executable,
    Select,
    Table,
)
from sqlalchemy.exc import DBAPIError

from flowstone.ledger.batch import Batch

__all__ = ["Dialect", "Query", "Row", "tail"]

Row = Mapping[str, object]
Query = TypeVar("Query", bound=Select)  # pyright: ignore[reportMissingTypeArgument]
Statement = TypeVar("Statement", bound=Executable)


class Dialect(ABC):
    """One kind of database; `engine` connects to it."""

    in_process = False

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._prepared: dict[object, Executable] = {}

    def prepared(self, build: Callable[[Self], Statement]) -> Statement:
        """Give a statement that is built once: to build one costs more than to ask.

        Args:
            build: gives the statement, with parameters for all that changes.
        """
        found = self._prepared.get(build)
        if found is None:
            found = self._prepared[build] = build(self)
        return cast("Statement", found)  # what `build` gave, under its own name

    @contextmanager
    def begin(self) -> Generator[Connection]:
        """Open a transaction that may write, and commit it at the end."""
        with self.engine.begin() as conn:
            yield conn

    @contextmanager
    def reading(self) -> Generator[Connection]:
        """Open a connection that only reads; each statement sees what is there then."""
        with self.engine.connect() as conn:
            yield conn

    @abstractmethod
    def together(self, conn: Connection) -> AbstractContextManager[Batch]:
        """Send statements together, within a transaction.

        Answers can be read once the context is left. What is executed on the connection
        meanwhile goes along, and must not be asked for rows.
        """

    @abstractmethod
    def singly(self, conn: Connection) -> Batch:
        """Send statements one by one: each answer can be read at once."""

    def clock(self, conn: Connection) -> datetime:
        """Give the time that rows bear."""
        return self.singly(conn).clock()()

    def fence(self, conn: Connection) -> int:
        """Draw a number greater than any that was drawn before."""
        return self.singly(conn).fence()()

    def insert(
        self, conn: Connection, table: Table, rows: Sequence[Row], conflict: str = ""
    ) -> None:
        """Insert rows in their order; `conflict` is what follows ON CONFLICT."""
        self.singly(conn).insert(table, rows, conflict)

    def insert_returning(
        self,
        conn: Connection,
        table: Table,
        rows: Sequence[Row],
        conflict: str,
        returning: Sequence[str],
    ) -> list[tuple[object, ...]]:
        """Insert rows in their order; give columns of those that took effect."""
        found = self.singly(conn).insert(table, rows, conflict, returning)
        return [tuple(row) for row in found.rows()]

    def look_up(self, conn: Connection) -> None:
        """Have a query look up what it reaches, until the end of the transaction."""
        del conn

    def unbound(self, conn: Connection) -> None:
        """Let a transaction take its time, where there is a bound to it."""
        del conn

    @abstractmethod
    def now(self) -> ColumnElement[datetime]:
        """Say the time of the statement's execution, by the clock that rows bear."""

    @abstractmethod
    def last_fence(self, conn: Connection) -> int:
        """Give the number that was drawn last."""

    @abstractmethod
    def raise_fences(self, conn: Connection, least: int) -> None:
        """Have every number that is drawn from now on be greater than `least`."""

    @abstractmethod
    def take_turns(self, conn: Connection, names: Sequence[str]) -> None:
        """Have transactions that give an equal name come one after the other."""

    @abstractmethod
    def among(
        self, what: Column[object], values: Sequence[object]
    ) -> ColumnElement[bool]:
        """Tell whether a column is one of many values."""

    @abstractmethod
    def listed(self, what: Column[object], name: str) -> ColumnElement[bool]:
        """Tell whether a column is one of the values of a parameter."""

    @abstractmethod
    def paired(
        self, one: Column[object], other: Column[object], name: str
    ) -> ColumnElement[bool]:
        """Tell whether two columns are one of the pairs of a parameter."""

    @abstractmethod
    def pairs_as(
        self, name: str, values: Collection[tuple[object, object]]
    ) -> dict[str, object]:
        """Give the parameter of `paired`."""

    @abstractmethod
    def pairs(
        self,
        one: Column[object],
        other: Column[object],
        values: Collection[tuple[object, object]],
    ) -> ColumnElement[bool]:
        """Tell whether two columns are one of many pairs."""

    @abstractmethod
    def locked(self, query: Query, *, share: bool = False, skip: bool = False) -> Query:
        """Have a query lock the rows it finds, or pass over those locked already."""

    @abstractmethod
    def ask_millis(
        self, send: Batch, assets: Sequence[str], most: int
    ) -> Callable[[], dict[str, int]]:
        """Ask how long each asset took, by its last versions and the index alone.

        Of an even number of versions, it is the lower of the two in the middle; an
        asset none of which tells is left out.
        """

    @abstractmethod
    def is_conflict(self, error: DBAPIError) -> bool:
        """Tell whether a transaction should simply be done again."""

    @abstractmethod
    def is_lost(self, error: DBAPIError) -> bool:
        """Tell whether the connection was lost, and its transaction with it."""


def tail(conflict: str, returning: tuple[str, ...]) -> str:
    """Say what follows the values of an INSERT."""
    on_conflict = f" ON CONFLICT {conflict}" if conflict else ""
    return on_conflict + (f" RETURNING {', '.join(returning)}" if returning else "")
