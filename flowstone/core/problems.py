"""Problems of a configuration: gathered, and told together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from flowstone.core.errors import ConfigurationError

__all__ = ["Problems"]

T = TypeVar("T")


class Problems:
    """What is wrong with several things that are made one after the other.

    Attributes:
        found: the problems, each once.
    """

    def __init__(self) -> None:
        self.found: list[str] = []

    def add(self, problems: Iterable[str]) -> None:
        """Take in problems."""
        self.found += [p for p in problems if p not in self.found]

    def of(self, make: Callable[[], T]) -> T | None:
        """Make a thing; `None` where that is refused, and why is taken in."""
        try:
            return make()
        except ConfigurationError as error:
            self.add(error.problems)
            return None

    def refuse(self) -> None:
        """Refuse to go on where there are any.

        Raises:
            ConfigurationError: all of them.
        """
        if self.found:
            raise ConfigurationError(problems=self.found)
