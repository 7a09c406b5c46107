"""A table of states with a clock, driven by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Literal

from flowstone.core.messages import Carried, Request
from flowstone.core.order import Order
from flowstone.core.plan import Rule, Skeleton
from flowstone.core.replies import Reply
from flowstone.core.state import RunState
from flowstone.core.table import State
from tests.unit.core.world import BEGIN, crossed
from tests.unit.flows.scripted import skeleton

__all__ = ["CHAIN", "FAN", "Driven", "driven"]

CHAIN = {"raw": [], "cleaned": ["raw"], "report": ["cleaned"]}
FAN = {"raw": [], "left": ["raw"], "right": ["raw"], "report": ["left", "right"]}


class Driven:
    """A run's table, and the time at which it is asked."""

    def __init__(
        self, plan: Skeleton, request: Request, *, carried: Carried | None = None
    ) -> None:
        self.now = BEGIN
        self.request = request
        self.state = RunState(plan, request, carried=carried)

    @property
    def states(self) -> list[str]:
        """The states of its cells, by their names."""
        return [State(state).name for state in self.state.table]

    def start(self, room: int = 50) -> list[Order]:
        """Take what is to be started now."""
        return self.state.orders(self.now, room)

    def cells(self, room: int = 50) -> list[tuple[int, ...]]:
        """Take what is to be started now, and give the cells of each order."""
        return [order.cells for order in self.start(room)]

    def fold(self, order: Order, *replies: Reply) -> None:
        """Answer an order."""
        self.state.fold(order, replies, self.now)

    def answer(self, *replies: Reply) -> Order:
        """Start the one order that there is, and answer it."""
        [order] = self.start()
        self.fold(order, *replies)
        return order

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    @property
    def due(self) -> float | None:
        """In how many seconds something wakes by itself."""
        due = self.state.next_due
        return None if due is None else (due - self.now) / timedelta(seconds=1)

    def cross(self) -> Driven:
        """Continue as new."""
        carried = crossed(self.state.carry())
        other = Driven(self.state.skeleton, self.request, carried=carried)
        other.now = self.now
        return other


def driven(
    waits: Mapping[str, Sequence[str]],
    *,
    soft: Mapping[str, Sequence[str]] | None = None,
    rules: Mapping[str, Rule] | None = None,
    millis: Mapping[str, int] | None = None,
    packs: Literal["auto", "off", "whole"] = "off",
) -> Driven:
    """Drive a run of one key; by default every asset goes alone."""
    request = Request(
        run="r1", verb="materialize_all", pipeline="shop", asset="report", packs=packs
    )
    return Driven(skeleton(waits, soft=soft, rules=rules, millis=millis), request)
