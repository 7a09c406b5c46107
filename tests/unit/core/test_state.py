"""What a run starts, and what follows from what comes back."""

from __future__ import annotations

from typing import cast

import pytest

from flowstone.core.messages import Cell, Request
from flowstone.core.plan import Rule, Skeleton
from flowstone.core.replies import (
    Cancelled,
    Produced,
    Raised,
    Reply,
    Reused,
    Skipped,
    Snoozed,
)
from flowstone.core.state import RunState
from flowstone.core.table import State
from tests.unit.core.driven import CHAIN, FAN, Driven, driven
from tests.unit.core.world import BEGIN
from tests.unit.flows.scripted import skeleton

ONE = {"report": list[str]()}
DECLARED = Rule(attempts=3, delay=2_000, declared=True)
BACKFILL = Request(run="r1", verb="backfill", pipeline="shop", asset="report", keys=9)


def test_what_waits_for_nothing_comes_first() -> None:
    """Only what has all that it needs is started, and only once."""
    run = driven(FAN)

    assert run.cells() == [(0,)]
    assert run.cells() == []
    assert run.states == ["RUNNING", "PENDING", "PENDING", "PENDING"]
    assert run.state.running == 1


def test_what_was_needed_opens_what_needs_it() -> None:
    """An asset is started when the last of what it needs was made or was there."""
    run = driven(FAN)
    run.answer(Produced())
    left, right = run.start()
    run.fold(left, Produced())
    assert run.cells() == []
    run.fold(right, Reused())

    assert run.cells() == [(3,)]


def test_no_more_is_started_than_there_is_room_for() -> None:
    """What finds no room is started later, in its order."""
    run = driven(FAN)
    run.answer(Produced())

    assert run.cells(0) == []
    assert run.cells(1) == [(1,)]
    assert run.cells(1) == [(2,)]


def test_dispatches_are_numbered() -> None:
    """Each order has a number greater than the one before."""
    run = driven(CHAIN)
    numbers = [run.answer(Produced()).dispatch for _ in range(3)]

    assert numbers == [1, 2, 3]


def test_the_last_order_may_end_the_run() -> None:
    """An order beside which nothing is left to do or to write says so."""
    run = driven(CHAIN)

    assert [run.answer(Produced()).last for _ in range(3)] == [False, False, True]
    assert run.state.settled
    assert run.state.status == "succeeded"


def test_an_end_that_nobody_wrote_is_written_by_the_run() -> None:
    """Where an asset was skipped for what it needs, no step may end the run."""
    run = driven(
        {"raw": [], "cleaned": ["raw"], "report": ["cleaned"]},
        soft={"report": ["cleaned"]},
    )
    run.answer(Skipped())

    assert run.states == ["BYPASSED", "BYPASSED", "READY"]
    assert not run.answer(Produced()).last


@pytest.mark.parametrize(
    ("reply", "states", "status"),
    [
        (Raised(), ["FAILED", "BLOCKED", "BLOCKED"], "failed"),
        (Skipped(), ["BYPASSED"] * 3, "skipped"),
        (Cancelled(), ["CANCELLED"] * 3, "cancelled"),
    ],
)
def test_an_end_reaches_all_that_wait_for_it(
    reply: Reply, states: list[str], status: str
) -> None:
    """A failure, a skip and a cancellation end at once what needs the asset."""
    run = driven(CHAIN)
    run.answer(reply)

    assert run.states == states
    assert run.state.settled
    assert run.state.status == status


def test_a_skip_that_can_be_borne_is_named() -> None:
    """Who can do without a skipped asset is told that it is absent."""
    run = driven(
        {"raw": [], "cleaned": [], "report": ["raw", "cleaned"]},
        soft={"report": ["cleaned"]},
    )
    first, second = run.start()
    run.fold(first, Produced())
    run.fold(second, Skipped())

    assert run.state.cell(2) == Cell(2, absent=(1,))
    assert run.cells() == [(2,)]


# --- many keys ----------------------------------------------------------------------


def many(plan: Skeleton, *, common: list[State] | None = None) -> RunState:
    return RunState(plan, BACKFILL, first=3, count=2, common=common)


def test_each_key_goes_its_own_way() -> None:
    """A failure at one key leaves the others, and is counted once for each key."""
    state = many(skeleton({"raw": [], "report": ["raw"]}, millis={"raw": 300}))
    one, other = state.orders(BEGIN, 9)
    state.fold(one, [Raised()], BEGIN)
    state.fold(other, [Produced()], BEGIN)

    assert [State(s).name for s in state.table] == [
        "FAILED",
        "BLOCKED",
        "MADE",
        "READY",
    ]
    assert (state.failed, state.settled) == (1, False)


def test_a_cell_carries_the_number_of_its_key_in_the_run() -> None:
    """A stretch of keys names them by their places in the whole."""
    state = many(skeleton(ONE))

    assert [state.cell(0).key, state.cell(1).key] == [3, 4]


def test_what_all_keys_share_is_taken_as_it_ended() -> None:
    """A stretch of keys begins with what was settled for all of them."""
    plan = skeleton({"catalog": [], "rows": [], "report": ["catalog"]})
    common = [State.FAILED, State.PENDING, State.PENDING]
    state = many(plan, common=common)

    assert [State(s).name for s in state.table] == ["FAILED", "READY", "BLOCKED"] * 2


def test_what_is_given_is_there_or_absent() -> None:
    """A run takes what it was given as made, and what it lacks as skipped."""
    plan = Skeleton(
        plan="p",
        names=["raw", "extra", "report"],
        waits=[[], [], [0, 1]],
        soft=[[], [], [1]],
        rules=[Rule()],
        rule=[0, 0, 0],
        given=[0, 1],
        absent=[1],
    )
    state = RunState(plan, BACKFILL)

    assert [State(s).name for s in state.table] == ["MADE", "BYPASSED", "READY"]
    assert state.cell(2) == Cell(2, absent=(1,))


# --- the whole ----------------------------------------------------------------------


def test_what_is_cancelled_ends_at_once() -> None:
    """Cancelling ends all that has not ended, and leaves the rest."""
    run = driven(FAN)
    run.answer(Produced())
    left, right = run.start()
    run.fold(left, Snoozed(millis=60_000))
    run.fold(right, Produced())
    run.state.cancel()

    assert run.states == ["MADE", "CANCELLED", "MADE", "CANCELLED"]
    assert run.state.status == "cancelled"
    assert run.cells() == []


def test_nothing_is_cancelled_while_it_runs() -> None:
    """Who cancels waits first for what runs: its answer says what became of it."""
    run = driven(ONE)
    run.start()

    with pytest.raises(AssertionError, match="wait for what runs"):
        run.state.cancel()


def test_what_never_began_is_given_back() -> None:
    """An order that no worker took up is started again under another number."""
    run = driven(CHAIN, packs="whole")
    [order] = run.start()
    run.state.give_back(order)

    assert run.states == ["READY", "PENDING", "PENDING"]
    assert run.state.running == 0
    [again] = run.start()
    assert (again.cells, again.dispatch) == ((0, 1, 2), 2)


def test_there_is_no_other_reply() -> None:
    """What is no reply is refused: there is one place that knows them all."""
    run = driven(ONE)
    [order] = run.start()

    with pytest.raises(AssertionError, match="Expected code to be unreachable"):
        run.fold(order, cast("Reply", object()))


def test_a_pack_that_is_not_answered_whole_is_refused() -> None:
    """There is a reply for each cell, or the step is broken."""
    run: Driven = driven(CHAIN, packs="whole")
    [order] = run.start()

    with pytest.raises(ValueError, match="shorter"):
        run.fold(order, Produced())
