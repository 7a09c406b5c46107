"""A table crosses a continue-as-new, and nothing of it is lost."""

from __future__ import annotations

from datetime import timedelta

import pytest

from flowstone.core.compact import lengthen
from flowstone.core.plan import Rule
from flowstone.core.replies import Busy, Held, Left, NotHere, Produced, Raised
from tests.unit.core.driven import CHAIN, FAN, driven
from tests.unit.core.world import BEGIN

ONE = {"report": list[str]()}


def test_nothing_crosses_that_runs() -> None:
    """A run drains before it continues as new."""
    run = driven(ONE)
    run.start()

    with pytest.raises(AssertionError, match="drain before continuing"):
        run.state.carry()


def test_what_is_to_do_is_to_do_afterwards() -> None:
    """What was made stays made, and what was ready is ready."""
    run = driven(FAN)
    run.answer(Produced())
    other = run.cross()

    assert other.states == ["MADE", "READY", "READY", "PENDING"]
    assert other.cells() == [(1,), (2,)]


def test_dispatches_go_on_growing() -> None:
    """No number is given twice to orders of one run."""
    run = driven(CHAIN)
    before = run.answer(Produced()).dispatch
    [order] = run.cross().start()

    assert order.dispatch == before + 1


def test_sleepers_wake_when_they_would_have() -> None:
    """Neither an instant nor a count of failures is lost."""
    run = driven(ONE, rules={"report": Rule(attempts=3, delay=2_500, declared=True)})
    run.answer(Raised())
    other = run.cross()
    assert other.due == 2.5
    other.wait(2.5)

    assert other.cells() == [(0,)]
    assert other.state.cell(0).attempt == 2


def test_gates_are_asked_again() -> None:
    """Every gate is asked once, and the reply says which one and until when."""
    run = driven(ONE)
    deadline = BEGIN + timedelta(hours=1)
    run.answer(Held(gate="g", deadline=deadline))
    other = run.cross()
    order = other.answer(Held(gate="g", deadline=deadline))
    assert (order.cells, order.gates, order.expired) == ((0,), True, False)

    assert other.cells() == []
    assert other.due == 3600


def test_several_gates_are_asked_in_one_order() -> None:
    """What waits at gates is asked together, whichever they are."""
    run = driven({"left": [], "right": [], "report": ["left", "right"]})
    left, right = run.start()
    run.fold(left, Held(gate="a"))
    run.fold(right, Held(gate="b"))
    other = run.cross()
    order = other.answer(Held(gate="a"), Held(gate="b"))
    other.state.ring("b")

    assert order.cells == (0, 1)
    assert other.cells() == [(1,)]


def test_who_met_another_run_goes_on_waiting_for_it() -> None:
    """The wait for another run's claim goes on, and so does its growing."""
    run = driven(ONE)
    run.answer(Busy(owner="r0"))
    other = run.cross()
    assert (other.states, other.due) == (["BUSY"], 5)
    other.wait(5)
    other.answer(Busy(owner="r0"))

    assert other.due == 10


def test_a_bell_that_has_rung_is_not_lost() -> None:
    """What a freed claim has woken is asked for at once after crossing."""
    run = driven({"left": [], "right": [], "report": []}, packs="auto")
    for order in run.start():
        run.fold(order, Busy(owner="r0"))
    run.state.ring("")
    other = run.cross()

    assert other.states == ["BUSY"] * 3
    assert other.cells() == [(0, 1, 2)]


def test_a_worker_that_was_lacking_is_still_lacking() -> None:
    """That no worker had the asset is known afterwards."""
    run = driven(ONE)
    run.answer(NotHere(why="no worker"))
    other = run.cross()
    other.wait(1)
    [order] = other.start()

    assert order.again


def test_who_goes_alone_goes_alone_afterwards() -> None:
    """What a lost worker left does not join a pack after crossing."""
    run = driven(CHAIN, packs="whole")
    run.answer(Produced(), Left(solo=True), Left())

    assert run.cross().cells() == [(1,)]


def test_durations_that_were_learned_are_kept() -> None:
    """What is known of durations is known afterwards."""
    run = driven({"raw": [], "report": ["raw"]})
    run.answer(Produced(millis=70))

    assert list(lengthen(run.cross().state.carry()).millis) == [70, -1]
