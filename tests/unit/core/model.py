"""A model of how runs end: what becomes of each cell, and what follows for the rest.

It knows nothing of orders, packs, clocks or gates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from flowstone.core.messages import Carried, Request
from flowstone.core.plan import Skeleton
from flowstone.core.replies import (
    Cancelled,
    Missing,
    Produced,
    Raised,
    Reply,
    Reused,
    Skipped,
)
from flowstone.core.state import RunState
from flowstone.core.table import State

__all__ = ["Fate", "Play", "ends_of"]

_ENDS: Mapping[type[object], State] = {
    Produced: State.MADE,
    Reused: State.REUSED,
    Skipped: State.BYPASSED,
    Cancelled: State.CANCELLED,
}


@dataclass(frozen=True, kw_only=True)
class Fate:
    """What becomes of a cell, each time it is asked; what is lost is made again."""

    before: Sequence[Reply] = ()
    end: Reply = field(default_factory=Produced)

    @property
    def replies(self) -> Sequence[Reply]:
        """All of it, in order."""
        return [*self.before, self.end]


@dataclass(frozen=True, kw_only=True)
class Play:
    """A plan, how it was asked for, and the fate of each of its cells."""

    skeleton: Skeleton
    request: Request
    fates: Mapping[int, Fate]
    first: int = 0
    count: int = 1
    common: Sequence[int] | None = None

    @property
    def width(self) -> int:
        """How many nodes a key has."""
        return len(self.skeleton.names)

    def state(self, carried: Carried | None = None) -> RunState:
        """Make the table, or make it anew from what was carried."""
        return RunState(
            self.skeleton,
            self.request,
            first=self.first,
            count=self.count,
            common=self.common,
            carried=carried,
        )

    def ups(self, number: int) -> list[int]:
        """Give the cells that a cell waits for."""
        node = number % self.width
        return [number - node + up for up in self.skeleton.waits[node]]

    def soft(self, number: int) -> set[int]:
        """Give those among them whose being skipped it can bear."""
        node = number % self.width
        return {number - node + up for up in self.skeleton.soft[node]}


def ends_of(play: Play) -> list[State]:
    """Say how each cell ends, of a run that nobody cancels."""
    found: list[State] = []
    for number in range(play.width * play.count):
        node = number % play.width
        if node in play.skeleton.absent:
            found.append(State.BYPASSED)
        elif node in play.skeleton.given:
            found.append(State.MADE)
        elif play.common is not None and play.common[node] != State.PENDING:
            found.append(State(play.common[node]))
        else:
            ups = {up: found[up] for up in play.ups(number)}
            implied = _implied(ups, play.soft(number))
            found.append(implied or _own_end(play, number))
    return found


def _implied(ups: Mapping[int, State], soft: set[int]) -> State | None:
    states = set(ups.values())
    if states & {State.FAILED, State.BLOCKED}:
        return State.BLOCKED
    if State.CANCELLED in states:
        return State.CANCELLED
    skipped = {up for up, state in ups.items() if state == State.BYPASSED}
    return State.BYPASSED if skipped - soft else None


def _own_end(play: Play, number: int) -> State:
    skeleton = play.skeleton
    rule = skeleton.rules[skeleton.rule[number % play.width]]
    failures = 0
    for reply in play.fates[number].replies:
        if isinstance(reply, Missing) and set(reply.nodes) & set(skeleton.given):
            return State.FAILED
        if isinstance(reply, Raised):
            failures += 1
            granted = reply.after >= 0 and not rule.declared
            if not reply.retryable or not (granted or failures < rule.attempts):
                return State.FAILED
    return _ENDS.get(type(play.fates[number].end), State.MADE)
