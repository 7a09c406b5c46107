"""Policies: data, and the arithmetic on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import inf
from typing import Literal, cast

from flowstone.core.errors import DefinitionError

__all__ = ["HOUR", "MINUTE", "SECOND", "Freshness", "Packs", "Retry"]

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)

Freshness = Literal["always", "missing", "stale"]
"""When a value that exists is made again."""

Packs = Literal["auto", "off", "whole"]
"""How assets share an activity."""


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a function that raises is asked again, and when.

    Only failures of your own code count. A worker, a database or a store that is lost
    is Flowstone's to survive and uses up nothing.

    Attributes:
        attempts: how often the function is called at most.
        delay: the wait after the first failure.
        backoff: what each wait is multiplied by to give the next.
        max_delay: the longest wait.
        fatal: exceptions, subclasses included, after which nothing is tried again.
    """

    attempts: int = 1
    delay: timedelta = SECOND
    backoff: float = 2.0
    max_delay: timedelta = MINUTE
    fatal: Sequence[type[BaseException]] = ()

    def __post_init__(self) -> None:
        problems = [
            text
            for bad, text in (
                (self.attempts < 1, "attempts must be at least 1"),
                (self.delay < timedelta(0), "delay must not be negative"),
                (not 1 <= self.backoff < inf, "backoff must be a number of at least 1"),
                (self.max_delay < self.delay, "max_delay must not be below delay"),
                (not _are_exceptions(self.fatal), "fatal must be a list of exceptions"),
            )
            if bad
        ]
        if problems:
            raise DefinitionError(reason=f"{self!r}: {'; '.join(problems)}.")

    def wait(self, failures: int) -> timedelta:
        """Give the wait after so many failures, of which there is at least one."""
        try:
            wanted = self.delay * self.backoff ** (failures - 1)
        except OverflowError:
            wanted = self.max_delay if self.delay else self.delay
        return min(wanted, self.max_delay)


def _are_exceptions(found: object) -> bool:
    return isinstance(found, Sequence) and all(
        isinstance(kind, type) and issubclass(kind, BaseException)
        for kind in cast("Sequence[object]", found)
    )
