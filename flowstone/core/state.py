"""The table of a run: what to start now, and what follows from what comes back.

This is the brain of a run, and it is pure: no clock, no wait, no I/O. `orders` says
what to start, `fold` what follows from a reply. A cell is one node at one key; cells
are numbered key by key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import assert_never

from flowstone.core.alarms import Alarms
from flowstone.core.asking import ABSENT_LONGEST, Asking
from flowstone.core.board import Board, first_table, judge
from flowstone.core.compact import lengthen, shorten
from flowstone.core.gates import Gates
from flowstone.core.messages import Carried, Cell, Request, Status
from flowstone.core.order import Order
from flowstone.core.packing import Packer
from flowstone.core.plan import Skeleton
from flowstone.core.replies import (
    Busy,
    Cancelled,
    Held,
    Left,
    Missing,
    NotHere,
    Produced,
    Raised,
    Reply,
    Reused,
    Skipped,
    Snoozed,
    Superseded,
)
from flowstone.core.table import State, read_table, write_table

__all__ = ["RunState"]

_MOST_GATES = 500
_ENDS: Mapping[type[object], State] = {
    Produced: State.MADE,
    Reused: State.REUSED,
    Skipped: State.BYPASSED,
    Cancelled: State.CANCELLED,
}


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

    Attributes:
        width: how many nodes a key has.
        table: the state of each cell.
        notes: what people may want to know of a cell.
        running: how many cells are with a worker now.
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
        self.table = (
            first_table(skeleton, common, count)
            if carried is None
            else read_table(carried.table)
        )
        assert len(self.table) == self.width * count
        self.notes: dict[int, str] = {}
        self.running = 0
        self._given = frozenset(skeleton.given)
        self._dispatch = 0
        self._bell = 0
        self._failures: dict[int, int] = {}
        self._asked = Asking()
        self._alarms = Alarms()
        self._gates = Gates()
        self._board = Board(skeleton, self.table)
        self._packer = Packer(
            skeleton, self._board, mode=request.packs, budget=request.budget
        )
        if carried is not None:
            self._restore(lengthen(carried))

    # --- reading --------------------------------------------------------------------

    @property
    def settled(self) -> bool:
        """Whether every cell has ended."""
        return not self._board.unsettled

    @property
    def failed(self) -> int:
        """How many keys have failed at the target."""
        return self._board.failed

    @property
    def status(self) -> Status:
        """How the run ended, judged by its target."""
        return judge(self._board.targets)

    @property
    def next_due(self) -> datetime | None:
        """The instant at which something wakes by itself, if anything does."""
        instants = (self._alarms.next, self._gates.next_deadline)
        return min((i for i in instants if i is not None), default=None)

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

    # --- deciding -------------------------------------------------------------------

    def orders(self, now: datetime, room: int) -> list[Order]:
        """Give what to start now, and count it as running.

        Args:
            now: the time.
            room: how many orders may be started.
        """
        for number in self._alarms.ring(now):
            self._reopen(number)
        # What it waits for may have failed meanwhile, when it was made again.
        self._board.open_up()
        # Though there may be no room to ask: nothing is to wake for them again.
        self._gates.pass_deadlines(now)
        found: list[Order] = []
        for expired in (True, False):
            cells: list[int] = []
            if len(found) < room:
                cells = self._gates.take(self._is_at_gate, _MOST_GATES, expired=expired)
            if cells:
                found.append(self._gates_order(cells, expired=expired))
        for pack in self._packer.packs(self._board.ready, room - len(found)):
            # Whoever ends the run writes what its own cells came to, and no more.
            last = len(pack) == self._board.unsettled and not self._board.implied
            found.append(self._order(pack, last=last))
        return found

    def begun(self, cells: Sequence[int]) -> Order:
        """Count cells as running that a worker has not waited to be asked for."""
        return self._order(cells, last=True)

    def fold(self, order: Order, replies: Sequence[Reply], now: datetime) -> None:
        """Take in what became of an order's cells."""
        self.running -= len(order.cells)
        for number, reply in zip(order.cells, replies, strict=True):
            self.notes.pop(number, None)
            if not isinstance(reply, Held):
                self._gates.drop(number)
            self._fold(order, number, reply, now)
        self._board.open_up()
        if not self.running:
            self._gates.forget_early()

    def ring(self, gate: str) -> None:
        """Take in a bell: a gate was answered, or (with no gate) a claim is free."""
        if gate:
            self._gates.ring(gate, listen=self.running > 0)
            return
        # Who is being asked may have been told that it is busy before it was free.
        self._bell = self._dispatch
        for number in sorted(self._packer.busy):
            if self.table[number] == State.BUSY:
                self._reopen(number)

    def give_back(self, order: Order) -> None:
        """Count an order's cells as not started."""
        self.running -= len(order.cells)
        for number in order.cells:
            if order.gates:
                self.table[number] = State.WAITING
                self._gates.ask(number, late=order.expired)
            else:
                self._reopen(number)

    def cancel(self) -> None:
        """End every cell that has not ended; nothing may be running."""
        assert not self.running, "wait for what runs before cancelling the rest"
        self._board.cancel()
        self._alarms, self._gates = Alarms(), Gates()

    # --- crossing -------------------------------------------------------------------

    def carry(self) -> Carried:
        """Give the table as it crosses a continue-as-new; nothing may be running."""
        assert not self.running, "drain before continuing as new"
        table, due = bytearray(self.table), self._alarms.write()
        for number in sorted(self._packer.busy):
            if table[number] == State.READY:
                # Written as what it still is to the packer, and due at once.
                table[number], due[number] = State.BUSY, 0
        carried = Carried(
            table=write_table(table),
            dispatch=self._dispatch,
            due=due,
            failures=dict(sorted(self._failures.items())),
            asked=self._asked.write(),
            solo=sorted(self._packer.solo),
            millis=list(self._packer.millis),
        )
        return shorten(carried)

    def _restore(self, carried: Carried) -> None:
        self._dispatch = carried.dispatch
        self._alarms.read(carried.due)
        self._failures.update(carried.failures)
        self._asked.read(carried.asked)
        self._packer.solo.update(carried.solo)
        self._packer.millis[:] = carried.millis
        for number, state in enumerate(self.table):
            if state == State.BUSY:
                self._packer.busy.add(number)
            elif state == State.WAITING:
                # Its gate is in the ledger: the reply says which and until when.
                self._gates.hold(number, Held(gate="", answered=True))

    # --- folding --------------------------------------------------------------------

    def _fold(self, order: Order, number: int, reply: Reply, now: datetime) -> None:
        match reply:
            case Produced() | Reused() | Skipped() | Cancelled():
                self._fold_end(number, reply)
            case Raised():
                self._fold_raised(number, reply, now)
            case Snoozed(millis=millis):
                self._get_through(number)
                self._sleep(number, now, millis)
            case Held():
                self._hold(number, reply)
            case Busy() | NotHere():
                self._put_off(order, number, reply, now)
            case Missing(nodes=nodes):
                self._set_back(number, nodes, now)
            case Superseded() | Left():
                self._leave(number, reply)
            case _:
                assert_never(reply)

    def _fold_end(
        self, number: int, reply: Produced | Reused | Skipped | Cancelled
    ) -> None:
        if isinstance(reply, Produced):
            self._packer.learn(number % self.width, reply.millis)
        self._settle(number, _ENDS[type(reply)])

    def _fold_raised(self, number: int, reply: Raised, now: datetime) -> None:
        self._get_through(number)
        rule = self.skeleton.rules[self.skeleton.rule[number % self.width]]
        failures = self._failures[number] = self._failures.get(number, 0) + 1
        asked = reply.after >= 0
        granted = asked and not rule.declared
        if not reply.retryable or (failures >= rule.attempts and not granted):
            self._settle(number, State.FAILED)
            return
        wait = (
            reply.after if asked else rule.wait(failures) // timedelta(milliseconds=1)
        )
        self._sleep(number, now, wait)

    def _put_off(
        self, order: Order, number: int, reply: Busy | NotHere, now: datetime
    ) -> None:
        """Ask again later, ever later; at once where a bell has overtaken the reply."""
        self._packer.busy.discard(number)
        if self._board.left[number]:
            # It was asked within a pack, and what it waits for was not made there.
            self._reopen(number)
            return
        if isinstance(reply, NotHere):
            self.notes[number] = reply.why
            self._sleep(number, now, self._asked.after_absence(number))
            return
        self.notes[number] = f"run {reply.owner} is making it"
        self._packer.busy.add(number)
        wait = self._asked.after_busy(number)
        if order.dispatch <= self._bell:
            self._reopen(number)
            return
        self._sleep(number, now, wait)
        self.table[number] = State.BUSY

    def _set_back(self, number: int, nodes: Sequence[int], now: datetime) -> None:
        """Make inputs again that were lost, and their reader after them."""
        self._get_through(number)
        if not self._given.isdisjoint(nodes):
            # What this run takes as it is, it cannot make: it would wait for ever.
            self._settle(number, State.FAILED)
            return
        base = number - number % self.width
        for node in nodes:
            if self.table[base + node] in {State.MADE, State.REUSED}:
                self._board.set_back(base + node)
                for reader in self._board.readers[node]:
                    self._get_through(base + reader)
        if not self._board.left[number]:
            # Nothing of it is this table's to make: the ledger has to catch up.
            self._sleep(number, now, ABSENT_LONGEST)
        else:
            self._reopen(number)

    def _hold(self, number: int, held: Held) -> None:
        self._get_through(number)
        self._gates.hold(number, held)
        self.table[number] = State.WAITING
        if held.waits_for:
            self.notes[number] = held.waits_for

    def _leave(self, number: int, reply: Superseded | Left) -> None:
        if isinstance(reply, Left) and reply.solo:
            self._packer.solo.add(number)
        self._reopen(number)

    # --- moving ---------------------------------------------------------------------

    def _gates_order(self, cells: Sequence[int], *, expired: bool) -> Order:
        instants = [self._gates.instant(c) for c in cells] if expired else []
        return self._order(cells, gates=True, expired=expired, instants=instants)

    def _order(
        self,
        cells: Sequence[int],
        *,
        gates: bool = False,
        expired: bool = False,
        instants: Sequence[int] = (),
        last: bool = False,
    ) -> Order:
        self._dispatch += 1
        self.running += len(cells)
        for number in cells:
            self.table[number] = State.RUNNING
        return Order(
            cells=tuple(cells),
            dispatch=self._dispatch,
            gates=gates,
            expired=expired,
            instants=tuple(instants),
            last=last,
            again=any(c in self._asked and c not in self._packer.busy for c in cells),
        )

    def _sleep(self, number: int, now: datetime, millis: int) -> None:
        self._alarms.set_after(number, now, millis)
        self.table[number] = State.SLEEPING

    def _reopen(self, number: int) -> None:
        self._alarms.drop(number)
        if not self._board.reopen(number):
            self._get_through(number)

    def _settle(self, number: int, state: State) -> None:
        self._get_through(number)
        self._failures.pop(number, None)
        self._board.settle(number, state)

    def _get_through(self, number: int) -> None:
        """Forget how often a cell was put off."""
        self._asked.forget(number)
        self._packer.busy.discard(number)

    def _is_at_gate(self, number: int) -> bool:
        return self.table[number] == State.WAITING and not self._board.left[number]
