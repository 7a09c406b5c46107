"""Which ready cells share an activity.

Cells known to be short together share a pack, with what becomes ready within it. A
cell of unknown duration shares one only with what it needs and with what needs it, and
only where all that waits for the pack waits for that cell anyway: nothing waits for a
stranger. A cell that declares what needs an activity of its own, that was slow of
late, or that was left by a lost worker, goes alone.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import Literal

from flowstone.core.board import Board
from flowstone.core.plan import Skeleton
from flowstone.core.table import State

__all__ = ["Packer"]

_MOST = 500
_OVERHEAD = 1
"""Milliseconds that a cell costs beside its function."""


@dataclass(slots=True)
class _Ahead:
    """A reader of members that is no member: how many it reads, and its cover."""

    inside: int = 0
    cover: int = 0


@dataclass(slots=True, kw_only=True)
class _Pack:
    """A pack that grows.

    Attributes:
        members: its cells, in order.
        ahead: who outside of it waits for members.
        sinks: the members that no member reads.
        unknown: how many members are of unknown duration. Each needs the one before,
            so that a member's cover (the last of them that it needs) tells them all.
        cost: how long it lasts, in milliseconds, as far as that is known.
        open: whether strangers may join.
    """

    members: list[int] = field(default_factory=list[int])
    ahead: dict[int, _Ahead] = field(default_factory=dict[int, _Ahead])
    sinks: dict[int, None] = field(default_factory=dict[int, None])
    unknown: int = 0
    cost: int = 0
    open: bool = True


class Packer:
    """Groups ready cells into packs.

    Args:
        skeleton: what is known of the plan.
        board: the states of the cells; it sets those that it packs to `RUNNING`.
        mode: `auto` as said above; `off` for none; `whole` for all that is ready.
        budget: how long a pack should last, in milliseconds.

    Attributes:
        solo: the cells that go alone, because they were left by a lost worker.
        busy: the cells that met another run's claim when they were asked last.
        millis: how long each node took of late; -1 where nobody knows.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        board: Board,
        *,
        mode: Literal["auto", "off", "whole"],
        budget: int,
    ) -> None:
        self.solo: set[int] = set()
        self.busy: set[int] = set()
        self.millis = list(skeleton.millis) or [-1] * len(skeleton.names)
        self._waits = [frozenset(w) for w in skeleton.waits]
        self._soft = [frozenset(s) for s in skeleton.soft]
        self._alone = frozenset(skeleton.alone)
        self._readers = board.readers
        self._table = board.table
        self._left = board.left
        self._width = len(skeleton.names)
        self._mode = mode
        # A budget of nothing is the worker's affair: it then starts one at a time.
        self._budget = budget or 200

    def learn(self, node: int, millis: int) -> None:
        """Take in how long a node took, where somebody measured."""
        known = self.millis[node]
        if millis >= 0:
            self.millis[node] = millis if known < 0 else (3 * known + millis) // 4

    def packs(self, ready: list[int], room: int) -> list[list[int]]:
        """Take cells off the heap `ready` and give at most `room` packs of them."""
        found: list[list[int]] = []
        pack = _Pack(open=False)
        while (number := self._pop(ready)) is not None:
            if pack.open and self._fits(pack, number):
                self._join(pack, number)
                continue
            if len(found) >= room:
                heapq.heappush(ready, number)
                break
            other = self._begun(number)
            found.append(other.members)
            pack = other if other.open else pack
        return found

    def _pop(self, ready: list[int]) -> int | None:
        while ready:
            number = heapq.heappop(ready)
            # It may have been started or set back since, or be there twice.
            if self._table[number] == State.READY:
                return number
        return None

    def _begun(self, number: int) -> _Pack:
        pack = _Pack()
        if self._goes_alone(number):
            self._add(pack, number, cover=0)
            pack.open = False
        else:
            self._join(pack, number)
        return pack

    def _join(self, pack: _Pack, number: int) -> None:
        """Add a ready cell, and what becomes ready by it within the pack."""
        at = len(pack.members)
        self._add(pack, number, cover=0)
        while at < len(pack.members):
            member = pack.members[at]
            base = member - member % self._width
            for node in self._readers[member - base]:
                reader = pack.ahead.get(base + node)
                if reader is not None and self._may_follow(pack, base + node, reader):
                    self._add(pack, base + node, cover=reader.cover)
            at += 1
        pack.open = self._mode == "whole" or not pack.unknown

    def _add(self, pack: _Pack, number: int, *, cover: int) -> None:
        node = number % self._width
        base = number - node
        if not self._is_known(number):
            pack.unknown += 1
            cover = pack.unknown
        pack.members.append(number)
        pack.cost += self._cost(node)
        pack.ahead.pop(number, None)
        pack.sinks[number] = None
        for up in self._waits[node]:
            pack.sinks.pop(base + up, None)
        for reader in self._readers[node]:
            if self._table[base + reader] == State.PENDING:
                ahead = pack.ahead.setdefault(base + reader, _Ahead())
                ahead.inside += 1
                ahead.cover = max(ahead.cover, cover)
        # It is no longer ready, or it would be taken twice.
        self._table[number] = State.RUNNING

    def _may_follow(self, pack: _Pack, number: int, reader: _Ahead) -> bool:
        """Tell whether a reader, which may wait for others too, can run in a pack."""
        if reader.inside != self._left[number] or self._goes_alone(number):
            return False
        if not self._is_bearable(number):
            return False
        if self._mode == "whole":
            return True
        if reader.cover != pack.unknown or not self._affordable(pack, number):
            return False
        return self._is_known(number) or self._delays_nobody(pack, number)

    def _is_bearable(self, number: int) -> bool:
        """Tell whether what has ended among its upstreams lets a cell run."""
        node = number % self._width
        base = number - node
        return all(
            state <= State.REUSED
            or (state == State.BYPASSED and up in self._soft[node])
            for up in self._waits[node]
            if (state := self._table[base + up]) >= State.MADE
        )

    def _delays_nobody(self, pack: _Pack, number: int) -> bool:
        """Tell whether all in a pack, and all that wait for it, have to do with it."""
        node = number % self._width
        base = number - node
        return all(sink - base in self._waits[node] for sink in pack.sinks) and all(
            other == number or node in self._waits[other % self._width]
            for other in pack.ahead
        )

    def _is_known(self, number: int) -> bool:
        # Who met another's claim asks again in one pack with all that did: most
        # likely there is nothing to run.
        return self.millis[number % self._width] >= 0 or number in self.busy

    def _goes_alone(self, number: int) -> bool:
        node = number % self._width
        if self._mode == "off" or number in self.solo or node in self._alone:
            return True
        return self._mode == "auto" and self.millis[node] >= self._budget

    def _fits(self, pack: _Pack, number: int) -> bool:
        if self._goes_alone(number):
            return False
        if self._mode == "whole":
            return True
        return self._is_known(number) and self._affordable(pack, number)

    def _affordable(self, pack: _Pack, number: int) -> bool:
        cost = pack.cost + self._cost(number % self._width)
        return len(pack.members) < _MOST and cost <= self._budget

    def _cost(self, node: int) -> int:
        return max(self.millis[node], 0) + _OVERHEAD
