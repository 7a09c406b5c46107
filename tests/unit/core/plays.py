"""Plans, fates and moves, drawn at random."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from hypothesis import strategies as st

from flowstone.core.messages import Request
from flowstone.core.plan import Rule, Skeleton
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
from flowstone.core.table import State
from tests.unit.core.model import Fate, Play, ends_of
from tests.unit.core.world import BEGIN

__all__ = ["MOVES", "hostile_plays", "plays", "skeletons"]

MOVES = st.lists(st.integers(0, 63), max_size=80)
"""What a world does next, again and again."""

_RULES = (
    Rule(),
    Rule(attempts=1, declared=True),
    Rule(attempts=3, delay=2_000, declared=True),
)
_TRANSIENT: tuple[Reply, ...] = (
    Raised(),
    Raised(after=3_000),
    Snoozed(millis=4_000),
    Held(gate=""),
    Held(gate="", answered=True),
    Held(gate="", deadline=BEGIN + timedelta(seconds=20)),
    Busy(owner="r0"),
    NotHere(why="no worker"),
    Superseded(),
    Left(),
    Left(solo=True),
)
_FINAL: tuple[Reply, ...] = (
    Produced(millis=7),
    Produced(millis=-1),
    Produced(millis=900),
    Reused(),
    Skipped(),
    Raised(retryable=False),
    Cancelled(),
)


def _bits(mask: int, among: Sequence[int]) -> list[int]:
    return [one for place, one in enumerate(among) if mask >> place & 1]


@st.composite
def skeletons(draw: st.DrawFn, *, most: int = 6) -> Skeleton:
    """Draw what a flow knows of a plan: any graph without a circle."""
    count = draw(st.integers(1, most))
    waits = [_bits(draw(st.integers(0, 2**i - 1)), range(i)) for i in range(count)]
    soft = [_bits(draw(st.integers(0, 2 ** len(w) - 1)), w) for w in waits]
    columns = st.integers(0, 2**count - 1)
    alone, given, absent = (
        _bits(draw(columns) & draw(columns) & draw(columns), range(count))
        for _ in range(3)
    )
    # The target is made, and what is given waits for nothing.
    given = [node for node in given if not waits[node] and node != count - 1]
    rule = draw(st.lists(st.integers(0, 2), min_size=count, max_size=count))
    millis = st.sampled_from([-1, -1, 0, 40, 150, 400])
    return Skeleton(
        plan="plan",
        names=[f"n{i}" for i in range(count)],
        waits=waits,
        soft=soft,
        rules=_RULES,
        rule=rule,
        alone=alone,
        given=given,
        absent=[node for node in absent if node in given],
        millis=draw(st.lists(millis, min_size=count, max_size=count)),
    )


def _request(draw: st.DrawFn) -> Request:
    return Request(
        run="r1",
        verb="materialize_all",
        pipeline="shop",
        asset="report",
        packs=draw(st.sampled_from(["auto", "auto", "off", "whole"])),
        budget=draw(st.sampled_from([200, 0, 1])),
    )


def _fate(draw: st.DrawFn, waits: Sequence[int], final: Sequence[Reply]) -> Fate:
    transient = st.sampled_from(_TRANSIENT)
    if waits:
        missing = st.lists(st.sampled_from(waits), min_size=1, max_size=2)
        transient |= missing.map(lambda nodes: Missing(nodes=nodes))
    return Fate(
        before=draw(st.lists(transient, max_size=3)), end=draw(st.sampled_from(final))
    )


def _fates(draw: st.DrawFn, skeleton: Skeleton, count: int) -> dict[int, Fate]:
    width = len(skeleton.names)
    # Mostly good ends: else little of a large graph is ever started.
    final = (*_FINAL[:5], *_FINAL[:3], *_FINAL)
    return {
        number: _fate(draw, skeleton.waits[number % width], final)
        for number in range(width * count)
    }


@st.composite
def plays(draw: st.DrawFn) -> Play:
    """Draw a plan, and for each cell what becomes of it."""
    skeleton = draw(skeletons())
    count = draw(st.integers(1, 3))
    fates = _fates(draw, skeleton, count)
    alone = Play(skeleton=skeleton, request=_request(draw), fates=fates)
    return Play(
        skeleton=skeleton,
        request=alone.request,
        fates=fates,
        first=draw(st.integers(0, 5)),
        count=count,
        common=draw(st.none() | st.just(_common(draw, alone))),
    )


def _common(draw: st.DrawFn, alone: Play) -> list[int]:
    """Settle elsewhere some nodes that read only such nodes."""
    ends = ends_of(alone)
    found = [int(State.PENDING)] * len(ends)
    for node, waits in enumerate(alone.skeleton.waits):
        settled = all(found[up] != State.PENDING for up in waits)
        if settled and draw(st.booleans()):
            found[node] = int(ends[node])
    return found


@st.composite
def hostile_plays(draw: st.DrawFn) -> Play:
    """Draw a plan whose cells may end in another way when they are made again."""
    skeleton = draw(skeletons())
    count = draw(st.integers(1, 2))
    width = len(skeleton.names)
    fates = {
        number: Fate(before=_hostile(draw, skeleton.waits[number % width]))
        for number in range(width * count)
    }
    return Play(skeleton=skeleton, request=_request(draw), fates=fates, count=count)


def _hostile(draw: st.DrawFn, waits: Sequence[int]) -> list[Reply]:
    """Draw replies among which inputs are often lost, and fail the second time."""
    reply = st.sampled_from((*_TRANSIENT, *_FINAL, Produced(), Produced()))
    if waits:
        reply |= st.just(Missing(nodes=waits))
    return draw(st.lists(reply, max_size=4))
