"""The gates at which cells wait, and which of them to ask.

A bell may come before the reply that says which gate it is for, or while that gate is
being asked: it is kept, so that no answer is waited for that is there already.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from flowstone.core.alarms import Alarms, to_millis
from flowstone.core.replies import Held

__all__ = ["Gates"]


class Gates:
    """The gates of one table."""

    def __init__(self) -> None:
        self._gates: dict[int, str] = {}
        self._cells: dict[str, int] = {}
        self._deadlines = Alarms()
        self._instants: dict[int, int] = {}
        self._rung: set[int] = set()
        self._late: set[int] = set()
        self._early: set[str] = set()

    @property
    def next_deadline(self) -> datetime | None:
        """The earliest deadline that has not been taken note of."""
        return self._deadlines.next

    def hold(self, number: int, held: Held) -> None:
        """Have a cell wait at a gate; a bell that rang for it stays rung."""
        rung = number in self._rung or held.answered or held.gate in self._early
        self.drop(number)
        self._early.discard(held.gate)
        self._gates[number] = held.gate
        self._cells[held.gate] = number
        if held.deadline is not None:
            self._deadlines.set(number, held.deadline)
            self._instants[number] = to_millis(held.deadline)
        if rung:
            self._rung.add(number)

    def ask(self, number: int, *, late: bool) -> None:
        """Have a cell's gate asked."""
        (self._late if late else self._rung).add(number)

    def drop(self, number: int) -> None:
        """Let go of a cell that waits no more."""
        gate = self._gates.pop(number, None)
        if gate is not None and self._cells.get(gate) == number:
            del self._cells[gate]
        self._deadlines.drop(number)
        self._instants.pop(number, None)
        self._rung.discard(number)
        self._late.discard(number)

    def instant(self, number: int) -> int:
        """Give the instant, in milliseconds, at which a cell's gate is asked."""
        return self._instants[number]

    def ring(self, gate: str, *, listen: bool) -> None:
        """Take in a bell; keep one for a gate that may yet be told of."""
        number = self._cells.get(gate)
        if number is not None:
            self._rung.add(number)
        elif listen:
            self._early.add(gate)

    def forget_early(self) -> None:
        """Drop bells for gates that nobody told of: they were another run's."""
        self._early.clear()

    def pass_deadlines(self, now: datetime) -> None:
        """Take note of the deadlines that have passed."""
        self._late.update(self._deadlines.ring(now))

    def take(
        self, waits: Callable[[int], bool], most: int, *, expired: bool
    ) -> list[int]:
        """Take cells to ask, among those that wait: the late ones, or the rung ones.

        A cell that is both is late: asking whether it has expired finds an answer too.
        """
        found = _taken(self._late if expired else self._rung, waits, most)
        self._rung.difference_update(found)
        return found


def _taken(flags: set[int], waits: Callable[[int], bool], most: int) -> list[int]:
    found = [number for number in sorted(flags) if waits(number)][:most]
    flags.difference_update(found)
    return found
