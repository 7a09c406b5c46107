"""Statements that are sent together: where a database is far, one way there and back.

Each is still done after the one before it, and sees what had been committed by then.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy import Executable, Table

if TYPE_CHECKING:
    from flowstone.ledger.dialect import Dialect, Row

__all__ = ["Answer", "Batch", "Build"]

Build = Callable[["Dialect"], Executable]
"""Builds a statement, with parameters for all that changes."""


class Answer:
    """What a statement found; to be read once its batch has ended.

    Args:
        fetch: gives the rows.
        names: the names of their columns.
    """

    def __init__(
        self, fetch: Callable[[], Sequence[Sequence[Any]]], names: Sequence[str] = ()
    ) -> None:
        self._fetch = fetch
        self._names = names
        self._found: Sequence[Sequence[Any]] | None = None

    @classmethod
    def empty(cls) -> Self:
        """Give the answer to what was not asked."""
        return cls(list)

    def rows(self) -> Sequence[Sequence[Any]]:
        """Give the rows."""
        if self._found is None:
            self._found = self._fetch()
        return self._found

    def records(self) -> list[dict[str, Any]]:
        """Give the rows, by the names of their columns."""
        return [dict(zip(self._names, row, strict=True)) for row in self.rows()]


class Batch(ABC):
    """Takes statements to send."""

    @abstractmethod
    def ask(self, build: Build, parameters: Mapping[str, object]) -> Answer:
        """Send a statement that is built once."""

    @abstractmethod
    def insert(
        self,
        table: Table,
        rows: Sequence[Row],
        conflict: str = "",
        returning: Sequence[str] = (),
    ) -> Answer:
        """Send rows to insert in their order.

        Args:
            table: where to.
            rows: what; all with the same columns.
            conflict: what follows ON CONFLICT.
            returning: columns to give of those that took effect.
        """

    @abstractmethod
    def clock(self) -> Callable[[], datetime]:
        """Ask for the time that rows bear: the database's; of a file, this process's."""

    @abstractmethod
    def fence(self) -> Callable[[], int]:
        """Draw a number greater than any that was drawn before."""
