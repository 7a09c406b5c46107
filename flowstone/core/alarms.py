"""When things wake by themselves, by their numbers.

Instants are whole milliseconds, as they cross a continue-as-new: what is written and
read again is the same to the last digit.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

__all__ = ["Alarms", "from_millis", "to_millis"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLI = timedelta(milliseconds=1)
_LONGEST = timedelta(days=3650) // _MILLI
"""Nothing sleeps longer; whatever wishes to is asked again then."""


class Alarms:
    """An instant for each number that has one; the earliest is found at once."""

    def __init__(self) -> None:
        self._at: dict[int, int] = {}
        # What was set anew or dropped stays in the heap until it comes up.
        self._heap: list[tuple[int, int]] = []

    @property
    def next(self) -> datetime | None:
        """The earliest instant."""
        while self._heap:
            millis, number = self._heap[0]
            if self._at.get(number) == millis:
                return from_millis(millis)
            heapq.heappop(self._heap)
        return None

    def set(self, number: int, at: datetime) -> None:
        """Have a number wake at an instant, rounded up."""
        self._set(number, to_millis(at))

    def set_after(self, number: int, now: datetime, millis: int) -> None:
        """Have a number wake so many milliseconds from now."""
        self._set(number, to_millis(now) + min(millis, _LONGEST))

    def drop(self, number: int) -> None:
        """Have a number not wake by itself."""
        self._at.pop(number, None)

    def ring(self, now: datetime) -> list[int]:
        """Take off the numbers that are due, and give them, the earliest first."""
        found: list[int] = []
        while (first := self.next) is not None and first <= now:
            _, number = heapq.heappop(self._heap)
            del self._at[number]
            found.append(number)
        return found

    def write(self) -> dict[int, int]:
        """Give the instants as numbers, in the order of what has them."""
        return {number: self._at[number] for number in sorted(self._at)}

    def read(self, written: Mapping[int, int]) -> None:
        """Take in what `write` gave."""
        for number, millis in written.items():
            self._set(number, millis)

    def _set(self, number: int, millis: int) -> None:
        self._at[number] = millis
        heapq.heappush(self._heap, (millis, number))


def from_millis(millis: int) -> datetime:
    """Give the instant of so many milliseconds since 1970."""
    return _EPOCH + millis * _MILLI


def to_millis(moment: datetime) -> int:
    """Give an instant in milliseconds since 1970, rounded up."""
    return -((_EPOCH - moment) // _MILLI)
