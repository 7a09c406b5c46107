"""A world that answers a table of states by fates, and minds what must never happen.

It asks the table what to start, and answers in whatever order its moves say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from pydantic import TypeAdapter

from flowstone.core.messages import Carried
from flowstone.core.order import Order
from flowstone.core.replies import (
    Cancelled,
    Held,
    Left,
    Missing,
    Produced,
    Raised,
    Reply,
    Reused,
)
from flowstone.core.table import State
from tests.unit.core.model import Play, ends_of

__all__ = ["BEGIN", "World", "crossed"]

BEGIN = datetime(2025, 1, 15, 12, tzinfo=UTC)
_CARRIED = TypeAdapter(Carried)
_MADE = (Produced, Reused)
_AGAIN = {State.MADE: Produced(), State.REUSED: Reused()}


def crossed(carried: Carried) -> Carried:
    """Give a table as it is on the other side of a continue-as-new."""
    return _CARRIED.validate_json(_CARRIED.dump_json(carried))


class World:
    """Plays a table against its fates.

    Args:
        play: what is played.
        moves: what is done next, again and again; whatever numbers they are.
        strict: whether the model tells how every cell ends, so that what may be
            started is known.
    """

    def __init__(
        self, play: Play, moves: Sequence[int] = (), *, strict: bool = True
    ) -> None:
        self.play = play
        self.state = play.state()
        self.now = BEGIN
        self.running: list[Order] = []
        self.packs: list[list[int]] = []
        self._moves: Iterator[int] = iter(moves)
        self._asked = dict.fromkeys(play.fates, 0)
        self._raised = dict.fromkeys(play.fates, 0)
        self._solo: set[int] = set()
        self._gates: dict[int, str] = {}
        self._opened = 0
        self._dispatch = 0
        self._ends = ends_of(play) if strict else None
        self._made = {
            number
            for number, state in enumerate(self.state.table)
            if state in {State.MADE, State.REUSED}
        }
        self._again: dict[int, Reply] = {}
        for number, fate in play.fates.items():
            self._again[number] = (
                fate.end if isinstance(fate.end, Reused) else Produced()
            )
            if number in self._made:
                self._asked[number] = len(fate.replies)
                self._again[number] = _AGAIN[State(self.state.table[number])]

    @property
    def most(self) -> int:
        """How many steps the longest play may take."""
        replies = sum(len(fate.replies) + 1 for fate in self.play.fates.values())
        return 10 * replies * (len(self.play.fates) + 2)

    def wander(self) -> None:
        """Make the moves."""
        for move in self._moves:
            self._move(move % 8)

    def finish(self, *, carry: bool = False) -> None:
        """Go on in good order until all is settled, which must happen.

        Args:
            carry: whether it continues as new whenever it can.

        Raises:
            AssertionError: it waits for what can no longer come.
        """
        for _ in range(self.most):
            if self.state.settled and not self.running:
                return
            if carry and not self.running:
                self.carry()
            self.start(50)
            if self.running:
                self.fold(0)
            elif not self.state.settled:
                self._wake()
        raise AssertionError("it never ends")

    def _wake(self) -> None:
        due = self.state.next_due
        if due is not None:
            self.now = max(self.now, due)
            return
        waits = self.state.table.count(State.WAITING)
        assert waits, f"nobody can wake it: {list(self.state.table)}"
        for gate in self._gates.values():
            self.state.ring(gate)

    def _move(self, move: int) -> None:
        number = next(self._moves, 0)
        match move:
            case 0 | 1:
                self.start(number % 4)
            case 2 | 3 | 4 if self.running:
                self._move_running(move, number % len(self.running))
            case 5:
                gates = ["", "another's", *self._gates.values()]
                self.state.ring(gates[number % len(gates)])
            case 6 if not self.running:
                self.carry()
            case _:
                self.now += timedelta(seconds=number)

    def _move_running(self, move: int, place: int) -> None:
        if move == 4:
            self.state.give_back(self.running.pop(place))
        else:
            self.fold(place)

    def carry(self) -> None:
        """Continue as new."""
        self.state = self.play.state(crossed(self.state.carry()))

    # --- starting -------------------------------------------------------------------

    def start(self, room: int) -> None:
        """Take orders, and mind what they may be."""
        found = self.state.orders(self.now, room)
        assert len(found) <= room
        due = self.state.next_due
        assert due is None or due > self.now, "what is due wakes it again and again"
        for order in found:
            assert order.dispatch > self._dispatch, "dispatches grow"
            self._dispatch = order.dispatch
            under_way = {c for other in self.running for c in other.cells}
            assert len(set(order.cells)) == len(order.cells), "a cell is there twice"
            assert not under_way & set(order.cells), "a cell runs twice"
            self.running.append(order)
            if order.gates:
                assert set(order.cells) <= set(self._gates), "no gate was told of"
            else:
                self._check_pack(order)
        assert self.state.running == sum(len(o.cells) for o in self.running)

    def _check_pack(self, order: Order) -> None:
        self.packs.append(list(order.cells))
        before: set[int] = set()
        for number in order.cells:
            cell = self.state.cell(number)
            assert cell.attempt == self._raised[number] + 1
            if self._ends is not None:
                self._check_upstream(number, before)
            before.add(number)
        alone = {*self._solo, *self._declared_alone()}
        if len(order.cells) > 1:
            assert not alone & set(order.cells), "it should have gone alone"
        if order.last:
            others = set(range(len(self.state.table))) - set(order.cells)
            assert all(self.state.table[n] >= State.MADE for n in others)

    def _check_upstream(self, number: int, before: set[int]) -> None:
        assert self._ends is not None
        outside = set(self.play.ups(number)) - before
        skipped = {up for up in outside if self._ends[up] == State.BYPASSED}
        assert skipped <= self.play.soft(number), "it cannot bear what was skipped"
        assert outside - skipped <= self._made, "its upstreams have not ended"
        node = number % self.play.width
        absent = tuple(sorted(up - number + node for up in skipped))
        assert self.state.cell(number).absent == absent

    def _declared_alone(self) -> set[int]:
        if self.play.request.packs == "off":
            return set(self.play.fates)
        alone = set(self.play.skeleton.alone)
        return {n for n in self.play.fates if n % self.play.width in alone}

    # --- answering ------------------------------------------------------------------

    def fold(self, place: int, *, cut: bool = False) -> None:
        """Answer one of the orders under way; `cut` cancels its cells."""
        order = self.running.pop(place)
        replies: dict[int, Reply] = {}
        for number in order.cells:
            replies[number] = (
                Cancelled() if cut else self._reply(order, number, replies)
            )
        for number, reply in replies.items():
            self._note(number, reply)
        self.state.fold(order, list(replies.values()), self.now)
        assert self.state.running == sum(len(o.cells) for o in self.running)

    def _reply(self, order: Order, number: int, before: Mapping[int, Reply]) -> Reply:
        beside = [before[up] for up in self.play.ups(number) if up in before]
        if not order.gates and not all(isinstance(r, _MADE) for r in beside):
            return Left()
        replies = self.play.fates[number].replies
        asked = self._asked[number]
        self._asked[number] += 1
        reply = replies[asked] if asked < len(replies) else self._again[number]
        if isinstance(reply, Held):
            self._opened += 1
            deadline = reply.deadline and self.now + (reply.deadline - BEGIN)
            return Held(
                gate=f"g{self._opened}", deadline=deadline, answered=reply.answered
            )
        return reply

    def _note(self, number: int, reply: Reply) -> None:
        self._gates.pop(number, None)
        match reply:
            case Held(gate=gate):
                self._gates[number] = gate
            case Raised():
                self._raised[number] += 1
            case Left(solo=True):
                self._solo.add(number)
            case Missing(nodes=nodes):
                base = number - number % self.play.width
                for up in (base + node for node in nodes):
                    if not set(nodes) & set(self.play.skeleton.given):
                        self._made.discard(up)
            case _:
                pass
        if isinstance(reply, _MADE):
            self._made.add(number)
            self._raised[number] = 0
