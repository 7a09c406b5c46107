"""Which ready cells share an activity.

Cells known to be short together share a pack, with what becomes ready within it. A
cell of unknown duration is packed only with what depends on it, so that nothing waits
for a stranger. A cell that declares what needs an activity of its own, that was slow
of late, or that was left by a lost worker, goes alone.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from flowstone.core.plan import Skeleton
from flowstone.core.table import State

__all__ = ["Packer"]

_MOST = 500
_OVERHEAD = 1
"""Milliseconds that a cell costs beside its function."""


@dataclass(slots=True, kw_only=True)
class _Pack:
    """A pack that grows; places are those of its members."""

    members: list[int] = field(default_factory=list[int])
    places: dict[int, int] = field(default_factory=dict[int, int])
    covers: list[int] = field(default_factory=list[int])
    unknown: int = 0
    cost: int = 0


class Packer:
    """Groups ready cells into packs.

    Args:
        skeleton: what is known of the plan.
        readers: the nodes that wait for each node.
        table: the states of the cells, as they are when `packs` is called.
        left: how many upstreams of each cell have not ended.
        mode: `auto` as said above; `off` for none; `whole` for all that is ready.
        budget: how long a pack should last, in milliseconds.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        readers: Sequence[Sequence[int]],
        table: bytearray,
        left: Sequence[int],
        *,
        mode: Literal["auto", "off", "whole"],
        budget: int,
    ) -> None:
        self.solo: set[int] = set()
        self.asked: dict[int, int] = {}
        self.millis = list(skeleton.millis) or [-1] * len(skeleton.names)
        self._waits = skeleton.waits
        self._soft = [frozenset(s) for s in skeleton.soft]
        self._alone = frozenset(skeleton.alone)
        self._readers = readers
        self._table = table
        self._left = left
        self._width = len(skeleton.names)
        self._mode = mode
        # A budget of nothing is the worker's affair: it then starts one at a time.
        self._budget = budget or 200

    def learn(self, node: int, millis: int) -> None:
        """Take in how long a node took."""
        known = self.millis[node]
        self.millis[node] = millis if known < 0 else (3 * known + millis) // 4

    def packs(self, ready: list[int], room: int) -> list[list[int]]:
        """Take cells off the heap `ready` and give at most `room` packs of them."""
        found: list[list[int]] = []
        while len(found) < room and (number := self._pop(ready)) is not None:
            found.append(self._grown(number, ready))
        return found

    def _pop(self, ready: list[int]) -> int | None:
        while ready:
            number = heapq.heappop(ready)
            if self._table[number] == State.READY:
                return number
        return None

    def _grown(self, number: int, ready: list[int]) -> list[int]:
        pack = _Pack()
        self._add(pack, number)
        if self._goes_alone(number):
            return pack.members
        self._take_in(pack, 0)
        while self._admits_strangers(pack) and (other := self._pop(ready)) is not None:
            if not self._fits(pack, other):
                heapq.heappush(ready, other)
                break
            begin = len(pack.members)
            self._add(pack, other)
            self._take_in(pack, begin)
        # Its members are no longer ready, or they would be taken twice.
        for member in pack.members:
            self._table[member] = State.RUNNING
        return pack.members

    def _take_in(self, pack: _Pack, begin: int) -> None:
        """Add what becomes ready within the pack, from the members after `begin`."""
        at = begin
        while at < len(pack.members):
            member = pack.members[at]
            base = member - member % self._width
            for node in self._readers[member % self._width]:
                if self._may_follow(pack, base, node):
                    self._add(pack, base + node)
            at += 1

    def _may_follow(self, pack: _Pack, base: int, node: int) -> bool:
        number = base + node
        if self._table[number] != State.PENDING or number in pack.places:
            return False
        inside = [base + up for up in self._waits[node] if base + up in pack.places]
        if len(inside) != self._left[number] or self._goes_alone(number):
            return False
        for up in self._waits[node]:
            state = self._table[base + up]
            bearable = state == State.BYPASSED and up in self._soft[node]
            if state >= State.MADE and state > State.REUSED and not bearable:
                return False
        if self._mode == "whole":
            return True
        covered = max(pack.covers[pack.places[up]] for up in inside)
        known = self.millis[node] >= 0
        if not known and covered != pack.unknown:
            return False
        return self._affordable(pack, number)

    def _add(self, pack: _Pack, number: int) -> None:
        node = number % self._width
        base = number - node
        covered = max(
            (
                pack.covers[pack.places[base + up]]
                for up in self._waits[node]
                if base + up in pack.places
            ),
            default=0,
        )
        if not self._is_known(number):
            pack.unknown += 1
            covered = pack.unknown
        pack.places[number] = len(pack.members)
        pack.members.append(number)
        pack.covers.append(covered)
        pack.cost += max(self.millis[node], 0) + _OVERHEAD

    def _is_known(self, number: int) -> bool:
        # Who met another's claim asks again in one pack with all that did: most
        # likely there is nothing to run.
        return self.millis[number % self._width] >= 0 or number in self.asked

    def _goes_alone(self, number: int) -> bool:
        node = number % self._width
        if self._mode == "off" or number in self.solo or node in self._alone:
            return True
        return self._mode == "auto" and self.millis[node] >= self._budget

    def _admits_strangers(self, pack: _Pack) -> bool:
        return self._mode == "whole" or pack.unknown == 0

    def _fits(self, pack: _Pack, number: int) -> bool:
        if self._goes_alone(number):
            return False
        if self._mode == "whole":
            return True
        return self._is_known(number) and self._affordable(pack, number)

    def _affordable(self, pack: _Pack, number: int) -> bool:
        cost = max(self.millis[number % self._width], 0) + _OVERHEAD
        return len(pack.members) < _MOST and pack.cost + cost <= self._budget
