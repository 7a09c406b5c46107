"""The table of a run: a state for each cell, what to start now, what follows.

This is the brain of a run, and it is pure: no clock, no wait, no I/O. `orders` says
what to start, `fold` what follows from a reply. A cell is one node at one key; cells
are numbered key by key.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import assert_never

from flowstone.core.messages import (
    Busy,
    Cancelled,
    Carried,
    Cell,
    Held,
    Left,
    Missing,
    NotHere,
    Produced,
    Raised,
    Reply,
    Request,
    Reused,
    Skipped,
    Snoozed,
    Status,
    Superseded,
)
from flowstone.core.packing import Packer
from flowstone.core.plan import Skeleton
from flowstone.core.table import State, read_table, write_table

__all__ = ["Order", "RunState"]

_BUSY_FIRST, _BUSY_LONGEST = timedelta(seconds=5), timedelta(minutes=10)
_ABSENT_FIRST, _ABSENT_LONGEST = timedelta(seconds=0.5), timedelta(seconds=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Something to start now: a pack to run, or gates to ask.

    Attributes:
        cells: the cells' numbers in the table.
        dispatch: its number, growing within a workflow.
        gates: whether the cells' gates are asked, rather than the cells run.
        expired: whether those gates are past their deadline.
        last: whether nothing else is left to do.
    """

    cells: tuple[int, ...]
    dispatch: int
    gates: bool = False
    expired: bool = False
    last: bool = False


class RunState:
    """The states of a run's cells.

    Args:
        skeleton: what is known of the plan.
        request: how the run was asked for.
        first: the number of its first key among the run's keys.
        count: how many keys it has.
        common: the states of nodes that were settled elsewhere, one for each node;
            `PENDING` for those that are this table's to settle.
        carried: the table, where it continues one.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        request: Request,
        *,
        first: int = 0,
        count: int = 1,
        common: Sequence[int] | None = None,
        carried: Carried | None = None,
    ) -> None:
        self.skeleton = skeleton
        self.request = request
        self.first = first
        self.count = count
        self.width = len(skeleton.names)
        self.table = bytearray(self.width * count)
        self.table = _first_table(skeleton, common, count)
        if carried is not None:
            self.table = read_table(carried.table)
        self.notes: dict[int, str] = {}
        self.lacked: set[int] = set()
        self.readers: list[list[int]] = [[] for _ in range(self.width)]
        for node, waits in enumerate(skeleton.waits):
            for upstream in waits:
                self.readers[upstream].append(node)
        self._hard = [
            frozenset(w) - frozenset(s)
            for w, s in zip(skeleton.waits, skeleton.soft, strict=True)
        ]
        self._dispatch = 0
        self._due: dict[int, datetime] = {}
        self._failures: dict[int, int] = {}
        self._gates: dict[int, Held] = {}
        self._rung: set[int] = set()
        self._ready: list[int] = []
        self._loose: list[int] = []
        self._left = [self._count_left(c) for c in range(len(self.table))]
        self._packer = Packer(
            skeleton,
            self.readers,
            self.table,
            self._left,
            mode=request.packs,
            budget=request.budget,
        )
        self._asked = self._packer.asked
        self._unsettled = sum(1 for s in self.table if s < State.MADE)
        if carried is not None:
            self._restore(carried)
        self._loose = [c for c, n in enumerate(self._left) if not n]
        self._open_up()

    # --- reading --------------------------------------------------------------------

    @property
    def settled(self) -> bool:
        """Whether every cell has ended."""
        return not self._unsettled

    @property
    def running(self) -> int:
        """How many cells are with a worker now."""
        return self.table.count(State.RUNNING)

    @property
    def failed(self) -> int:
        """How many keys have failed at the target."""
        return sum(
            1
            for s in self.table[self.width - 1 :: self.width]
            if s in {State.FAILED, State.BLOCKED}
        )

    @property
    def status(self) -> Status:
        """How the run ended, judged by its target."""
        targets = set(self.table[self.width - 1 :: self.width])
        if targets & {State.FAILED, State.BLOCKED}:
            return "failed"
        if State.CANCELLED in targets:
            return "cancelled"
        return "skipped" if targets == {State.BYPASSED} else "succeeded"

    def cell(self, number: int) -> Cell:
        """Give the node and key of a cell, and the attempt it is at."""
        key, node = divmod(number, self.width)
        base = number - node
        absent = tuple(
            up
            for up in self.skeleton.soft[node]
            if self.table[base + up] == State.BYPASSED
        )
        return Cell(node, self.first + key, self._failures.get(number, 0) + 1, absent)

    def next_due(self) -> datetime | None:
        """Give the instant at which a cell wakes by itself, if any sleeps."""
        deadlines = (
            h.deadline
            for c, h in self._gates.items()
            if h.deadline is not None and self.table[c] == State.WAITING
        )
        return min((*self._due.values(), *deadlines), default=None)

    # --- deciding -------------------------------------------------------------------

    def orders(self, now: datetime, room: int) -> list[Order]:
        """Give what to start now, and count it as running.

        Args:
            now: the time.
            room: how many orders may be started.
        """
        self._wake(now)
        found: list[Order] = []
        for expired in (False, True):
            cells = self._due_gates(now, expired=expired)
            if cells and len(found) < room:
                found.append(self._order(cells, gates=True, expired=expired))
        for pack in self._packer.packs(self._ready, room - len(found)):
            alone = len(pack) == self._unsettled
            found.append(self._order(pack, last=alone and not found))
        return found

    def fold(self, order: Order, replies: Sequence[Reply], now: datetime) -> None:
        """Take in what became of an order's cells."""
        for number, reply in zip(order.cells, replies, strict=True):
            self._fold(number, reply, now)
        self._open_up()

    def ring(self, gate: str) -> None:
        """Take in a bell: a gate was answered, or (with no gate) a claim is free."""
        if not gate:
            for number in self._asked:
                if self.table[number] == State.BUSY:
                    self._due[number] = datetime.min.replace(tzinfo=UTC)
            return
        for number, held in self._gates.items():
            if held.gate == gate and self.table[number] < State.MADE:
                self._rung.add(number)

    def give_back(self, order: Order) -> None:
        """Count an order's cells as not started."""
        for number in order.cells:
            if self.table[number] == State.RUNNING:
                self._set(number, State.WAITING if order.gates else State.READY)

    def cancel(self) -> None:
        """End every cell that has not ended."""
        for number, state in enumerate(self.table):
            if state < State.MADE:
                self._settle(number, State.CANCELLED)

    # --- crossing -------------------------------------------------------------------

    def carry(self) -> Carried:
        """Give the table as it crosses a continue-as-new; nothing may be running."""
        if self.running:
            raise AssertionError("drain before continuing as new")
        return Carried(
            table=write_table(self.table),
            dispatch=self._dispatch,
            due={c: round(t.timestamp() * 1000) for c, t in self._due.items()},
            failures=self._failures,
            asked=self._asked,
            solo=sorted(self._packer.solo),
            millis=self._packer.millis,
        )

    def _restore(self, carried: Carried) -> None:
        self._dispatch = carried.dispatch
        self._due = {
            int(c): datetime.fromtimestamp(t / 1000, UTC)
            for c, t in carried.due.items()
        }
        self._failures = {int(c): n for c, n in carried.failures.items()}
        self._asked.update((int(c), n) for c, n in carried.asked.items())
        self._packer.solo.update(carried.solo)
        self._packer.millis[:] = carried.millis
        for number, state in enumerate(self.table):
            if state == State.READY:
                heapq.heappush(self._ready, number)
            elif state == State.WAITING:
                # Its gate is in the ledger: ask it, the reply says which and until when.
                self._gates[number] = Held(gate="")
                self._rung.add(number)

    # --- folding --------------------------------------------------------------------

    def _fold(self, number: int, reply: Reply, now: datetime) -> None:
        self.notes.pop(number, None)
        if self._left[number] and isinstance(reply, Busy | NotHere | Left | Superseded):
            # It was asked within a pack, and what it waits for was not made there.
            if isinstance(reply, Left) and reply.solo:
                self._packer.solo.add(number)
            self._set(number, State.PENDING)
            return
        match reply:
            case Produced(millis=millis):
                self._packer.learn(number % self.width, millis)
                self._settle(number, State.MADE)
            case Reused():
                self._settle(number, State.REUSED)
            case Skipped():
                self._settle(number, State.BYPASSED)
            case Raised():
                self._fold_raised(number, reply, now)
            case Snoozed(millis=millis):
                self._sleep(number, now + timedelta(milliseconds=millis))
            case Held():
                self._hold(number, reply)
            case Busy(owner=owner):
                self._ask_again(number, now, _BUSY_FIRST, _BUSY_LONGEST)
                self._set(number, State.BUSY)
                self.notes[number] = f"run {owner} is making it"
            case NotHere(why=why):
                self._ask_again(number, now, _ABSENT_FIRST, _ABSENT_LONGEST)
                self.lacked.add(number)
                self.notes[number] = why
            case Missing(nodes=nodes):
                self._set_back(number, nodes)
            case Superseded():
                self._set(number, State.READY)
            case Left(solo=solo):
                if solo:
                    self._packer.solo.add(number)
                self._set(number, State.READY)
            case Cancelled():
                self._settle(number, State.CANCELLED)
            case _:
                assert_never(reply)

    def _fold_raised(self, number: int, reply: Raised, now: datetime) -> None:
        rule = self.skeleton.rules[self.skeleton.rule[number % self.width]]
        failures = self._failures[number] = self._failures.get(number, 0) + 1
        asked = reply.after >= 0
        granted = asked and not rule.declared
        if not reply.retryable or (failures >= rule.attempts and not granted):
            self._settle(number, State.FAILED)
            return
        wait = timedelta(milliseconds=reply.after) if asked else rule.wait(failures)
        self._sleep(number, now + wait)

    def _sleep(self, number: int, until: datetime) -> None:
        self._due[number] = until
        self._set(number, State.SLEEPING)

    def _ask_again(
        self, number: int, now: datetime, first: timedelta, longest: timedelta
    ) -> None:
        times = self._asked[number] = self._asked.get(number, 0) + 1
        self._sleep(number, now + min(first * 2 ** min(times - 1, 20), longest))

    def _hold(self, number: int, held: Held) -> None:
        self._gates[number] = held
        self._set(number, State.WAITING)
        if held.answered:
            self._rung.add(number)

    def _set_back(self, number: int, nodes: Sequence[int]) -> None:
        """Make inputs again that were lost, and their reader after them."""
        base = number - number % self.width
        for lost in (base + node for node in nodes):
            if self.table[lost] in {State.MADE, State.REUSED}:
                self.table[lost] = State.READY
                heapq.heappush(self._ready, lost)
                self._unsettled += 1
                for reader in (base + r for r in self.readers[lost - base]):
                    self._left[reader] += 1
                    if self.table[reader] == State.READY:
                        self.table[reader] = State.PENDING
        self.table[number] = State.PENDING
        if not self._left[number]:
            self._resolve(number)

    # --- moving ---------------------------------------------------------------------

    def _order(
        self,
        cells: Sequence[int],
        *,
        gates: bool = False,
        expired: bool = False,
        last: bool = False,
    ) -> Order:
        self._dispatch += 1
        for number in cells:
            self.table[number] = State.RUNNING
        return Order(
            cells=tuple(cells),
            dispatch=self._dispatch,
            gates=gates,
            expired=expired,
            last=last,
        )

    def _set(self, number: int, state: State) -> None:
        self.table[number] = state
        if state == State.READY:
            heapq.heappush(self._ready, number)

    def _wake(self, now: datetime) -> None:
        for number in sorted(c for c, due in self._due.items() if due <= now):
            del self._due[number]
            self._set(number, State.READY)

    def _due_gates(self, now: datetime, *, expired: bool) -> list[int]:
        waiting = [c for c in sorted(self._gates) if self.table[c] == State.WAITING]
        if not expired:
            found = [c for c in waiting if c in self._rung]
            self._rung -= set(found)
            return found
        return [
            c
            for c in waiting
            if (deadline := self._gates[c].deadline) is not None and deadline <= now
        ]

    def _settle(self, number: int, state: State) -> None:
        """End a cell, and tell those that wait for it."""
        self.table[number] = state
        self._unsettled -= 1
        for kept in (self._due, self._gates, self._asked):
            kept.pop(number, None)
        node = number % self.width
        base = number - node
        for reader in self.readers[node]:
            self._left[base + reader] -= 1
            if not self._left[base + reader]:
                self._loose.append(base + reader)

    def _open_up(self) -> None:
        """Resolve every cell whose upstreams have all ended."""
        while self._loose:
            number = self._loose.pop()
            if self.table[number] == State.PENDING:
                self._resolve(number)

    def _count_left(self, number: int) -> int:
        base = number - number % self.width
        waits = self.skeleton.waits[number % self.width]
        return sum(1 for up in waits if self.table[base + up] < State.MADE)

    def _resolve(self, number: int) -> None:
        node = number % self.width
        base = number - node
        upstream = {self.table[base + up] for up in self.skeleton.waits[node]}
        hard = {self.table[base + up] for up in self._hard[node]}
        if upstream & {State.FAILED, State.BLOCKED}:
            self._settle(number, State.BLOCKED)
        elif State.CANCELLED in upstream:
            self._settle(number, State.CANCELLED)
        elif State.BYPASSED in hard:
            self._settle(number, State.BYPASSED)
        else:
            self._set(number, State.READY)


def _first_table(
    skeleton: Skeleton, common: Sequence[int] | None, count: int
) -> bytearray:
    row = bytearray(common or bytes(len(skeleton.names)))
    for node in skeleton.given:
        row[node] = State.MADE
    for node in skeleton.absent:
        row[node] = State.BYPASSED
    return row * count
