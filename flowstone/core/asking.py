"""How often cells were put off, and after how long each is asked for again."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["ABSENT_LONGEST", "Asking"]

_BUSY_FIRST, _BUSY_LONGEST = 5_000, 600_000
_ABSENT_FIRST = 500
ABSENT_LONGEST = 10_000
"""The longest wait, in milliseconds, for a worker that has an asset."""


class Asking:
    """Counts how often cells were put off; each time they wait twice as long."""

    def __init__(self) -> None:
        self._times: dict[int, int] = {}

    def __contains__(self, number: int) -> bool:
        return number in self._times

    def after_busy(self, number: int) -> int:
        """Count one more, for another run's claim; give the wait in milliseconds."""
        return _doubled(_BUSY_FIRST, self._count(number), _BUSY_LONGEST)

    def after_absence(self, number: int) -> int:
        """Count one more, for want of a worker; give the wait in milliseconds."""
        return _doubled(_ABSENT_FIRST, self._count(number), ABSENT_LONGEST)

    def forget(self, number: int) -> None:
        """Begin anew with a cell that got through."""
        self._times.pop(number, None)

    def write(self) -> dict[int, int]:
        """Give the counts, in the order of what has them."""
        return dict(sorted(self._times.items()))

    def read(self, written: Mapping[int, int]) -> None:
        """Take in what `write` gave."""
        self._times.update(written)

    def _count(self, number: int) -> int:
        times = self._times[number] = self._times.get(number, 0) + 1
        return times


def _doubled(first: int, times: int, longest: int) -> int:
    return min(first * 2 ** min(times - 1, 20), longest)
