"""The states of cells, and how the end of one reaches those that wait for it."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence

from flowstone.core.messages import Status
from flowstone.core.plan import Skeleton
from flowstone.core.table import State

__all__ = ["FAILURES", "Board", "first_table", "judge"]

FAILURES = frozenset({State.FAILED, State.BLOCKED})
_STOPS = FAILURES | {State.CANCELLED}


def judge(targets: Iterable[int]) -> Status:
    """Say how a run ended whose target ended in these states, one for each key."""
    found = frozenset(targets)
    if not found.isdisjoint(FAILURES):
        return "failed"
    if State.CANCELLED in found:
        return "cancelled"
    skipped = bool(found) and found.issubset({State.BYPASSED})
    return "skipped" if skipped else "succeeded"


def first_table(
    skeleton: Skeleton, common: Sequence[int] | None, count: int
) -> bytearray:
    """Give the states that a run begins with, at so many keys.

    Args:
        skeleton: what is known of the plan.
        common: the states of nodes that were settled elsewhere, one for each node.
        count: how many keys there are.
    """
    row = bytearray(common or bytes(len(skeleton.names)))
    for node in skeleton.given:
        row[node] = State.MADE
    for node in skeleton.absent:
        row[node] = State.BYPASSED
    return row * count


class Board:
    """A state for each cell; those whose upstreams have all ended are ready.

    Args:
        skeleton: what is known of the plan.
        table: the states to begin with; it is changed in place.

    Attributes:
        width: how many nodes a key has.
        table: the state of each cell.
        readers: the nodes that wait for each node.
        left: how many upstreams of each cell have not ended.
        ready: a heap of the cells that may start; a cell that has left that state, or
            is there twice, is for the reader to leave out.
        unsettled: how many cells have not ended.
        failed: how many keys have failed at the target.
        implied: how many cells ended by what others ended in, so that no step has
            written how.
    """

    def __init__(self, skeleton: Skeleton, table: bytearray) -> None:
        self.width = len(skeleton.names)
        self.table = table
        self._waits = skeleton.waits
        self._hard = [
            frozenset(w) - frozenset(s)
            for w, s in zip(skeleton.waits, skeleton.soft, strict=True)
        ]
        self.readers = _readers(skeleton)
        self.left = [self._count_left(c) for c in range(len(table))]
        self.ready = [c for c, state in enumerate(table) if state == State.READY]
        self.unsettled = sum(1 for state in table if state < State.MADE)
        self.failed = sum(1 for state in self.targets if state in FAILURES)
        self.implied = sum(1 for c in range(len(table)) if self._is_implied(c))
        self._loose = [c for c, left in enumerate(self.left) if not left]
        self.open_up()

    @property
    def targets(self) -> bytearray:
        """The state of the target at each key."""
        return self.table[self.width - 1 :: self.width]

    def settle(self, number: int, state: State) -> None:
        """End a cell; those that waited for nothing else follow at `open_up`."""
        self.table[number] = state
        self.unsettled -= 1
        node = number % self.width
        base = number - node
        if state in FAILURES and node == self.width - 1:
            self.failed += 1
        for reader in self.readers[node]:
            self.left[base + reader] -= 1
            if not self.left[base + reader]:
                self._loose.append(base + reader)

    def open_up(self) -> None:
        """Resolve every cell whose upstreams have all ended."""
        while self._loose:
            number = self._loose.pop()
            # It may have been set back since: then it waits again.
            if self.table[number] == State.PENDING and not self.left[number]:
                self._resolve(number)

    def reopen(self, number: int) -> bool:
        """Have a cell run again once all that it waits for has ended; tell if it has."""
        self.table[number] = State.PENDING
        if self.left[number]:
            return False
        self._resolve(number)
        return True

    def set_back(self, number: int) -> None:
        """Have a cell made again whose value was lost, and its readers wait for it."""
        self.unsettled += 1
        base = number - number % self.width
        for reader in (base + r for r in self.readers[number - base]):
            self.left[reader] += 1
            if self.table[reader] == State.READY:
                self.table[reader] = State.PENDING
        self.reopen(number)

    def cancel(self) -> None:
        """End every cell that has not ended."""
        for number, state in enumerate(self.table):
            if state < State.MADE:
                self._imply(number, State.CANCELLED)
        self._loose.clear()

    def _resolve(self, number: int) -> None:
        node = number % self.width
        base = number - node
        upstream = {self.table[base + up] for up in self._waits[node]}
        if not upstream.isdisjoint(FAILURES):
            self._imply(number, State.BLOCKED)
        elif State.CANCELLED in upstream:
            self._imply(number, State.CANCELLED)
        elif any(self.table[base + up] == State.BYPASSED for up in self._hard[node]):
            self._imply(number, State.BYPASSED)
        else:
            self.table[number] = State.READY
            heapq.heappush(self.ready, number)

    def _imply(self, number: int, state: State) -> None:
        self.implied += 1
        self.settle(number, state)

    def _count_left(self, number: int) -> int:
        node = number % self.width
        base = number - node
        return sum(1 for up in self._waits[node] if self.table[base + up] < State.MADE)

    def _is_implied(self, number: int) -> bool:
        node = number % self.width
        base = number - node
        if self.table[number] not in {State.BYPASSED, State.BLOCKED, State.CANCELLED}:
            return False
        return any(
            self.table[base + up] in _STOPS
            or (self.table[base + up] == State.BYPASSED and up in self._hard[node])
            for up in self._waits[node]
        )


def _readers(skeleton: Skeleton) -> list[list[int]]:
    readers: list[list[int]] = [[] for _ in skeleton.names]
    for node, waits in enumerate(skeleton.waits):
        for upstream in waits:
            readers[upstream].append(node)
    return readers
