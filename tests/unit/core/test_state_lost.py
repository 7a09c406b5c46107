"""How a run makes again what was lost, and who waits for that."""

from __future__ import annotations

from flowstone.core.plan import Rule, Skeleton
from flowstone.core.replies import (
    Busy,
    Held,
    Missing,
    Produced,
    Raised,
    Reused,
    Snoozed,
)
from tests.unit.core.driven import FAN, Driven, driven
from tests.unit.flows.scripted import skeleton

PAIR = {"raw": list[str](), "report": ["raw"]}


def test_an_input_that_was_lost_is_made_again() -> None:
    """A reader that misses an input waits until that is made again."""
    run = driven(PAIR)
    run.answer(Produced())
    run.answer(Missing(nodes=[0]))

    assert run.states == ["READY", "PENDING"]
    assert [run.answer(Produced()).cells for _ in range(2)] == [(0,), (1,)]


def test_other_readers_of_a_lost_input_wait_for_it() -> None:
    """A reader that was about to start waits until its input is made again."""
    run = driven(FAN)
    run.answer(Produced())
    [left] = run.start(1)
    run.fold(left, Missing(nodes=[0]))

    assert run.states == ["READY", "PENDING", "PENDING", "PENDING"]


def test_a_reader_that_runs_meanwhile_is_not_made_twice() -> None:
    """What is made while an input of its is made again stays made."""
    run = driven(FAN)
    run.answer(Produced())
    left, right = run.start()
    run.fold(left, Missing(nodes=[0]))
    run.fold(right, Produced())
    run.answer(Produced())

    assert run.states == ["MADE", "READY", "MADE", "PENDING"]


def test_lost_inputs_of_lost_inputs_are_made_in_order() -> None:
    """Of two lost inputs the one that the other needs is made first."""
    run = driven({"raw": [], "cleaned": ["raw"], "report": ["raw", "cleaned"]})
    run.answer(Produced())
    run.answer(Produced())
    run.answer(Missing(nodes=[1, 0]))

    assert run.states == ["READY", "PENDING", "PENDING"]
    assert [run.answer(Produced()).cells for _ in range(3)] == [(0,), (1,), (2,)]


def test_an_input_that_was_given_cannot_be_made_again() -> None:
    """Whoever misses what its run only takes as it is has failed."""
    plan = Skeleton(
        plan="p",
        names=["raw", "report"],
        waits=[[], [0]],
        soft=[[], []],
        rules=[Rule()],
        rule=[0, 0],
        given=[0],
    )
    run = Driven(plan, driven(PAIR).request)
    run.answer(Missing(nodes=[0]))

    assert run.states == ["MADE", "FAILED"]


def test_an_input_that_is_not_this_tables_to_make_is_waited_for() -> None:
    """Where nothing can be made again, the ledger is asked again after 10 s."""
    run = driven(PAIR, soft={"report": ["raw"]})
    run.answer(Reused())
    run.answer(Missing(nodes=[]))

    assert run.states == ["REUSED", "SLEEPING"]
    assert run.due == 10


def test_an_input_that_is_being_made_again_is_not_lost_twice() -> None:
    """Two readers that miss one input have it made again once."""
    run = driven(FAN)
    run.answer(Produced())
    left, right = run.start()
    run.fold(left, Missing(nodes=[0]))
    run.fold(right, Missing(nodes=[0]))

    assert run.states == ["READY", "PENDING", "PENDING", "PENDING"]
    assert run.answer(Produced()).cells == (0,)
    assert run.cells() == [(1,), (2,)]


def test_a_sleeper_learns_that_its_input_failed_when_made_again() -> None:
    """What slept while its input was lost for good fails, and all that wait for it."""
    run = driven({"raw": [], "a": ["raw"], "b": ["raw"], "report": ["b"]})
    run.answer(Produced())
    first, second = run.start()
    run.fold(second, Snoozed(millis=1_000))
    run.fold(first, Missing(nodes=[0]))
    run.answer(Raised())
    run.wait(1)

    assert run.cells() == []
    assert run.states == ["FAILED", "BLOCKED", "BLOCKED", "BLOCKED"]


def test_a_gate_whose_input_was_lost_is_asked_when_that_is_there() -> None:
    """An answer is taken in when what its asset reads is there again."""
    run = driven(FAN)
    run.answer(Produced())
    left, right = run.start()
    run.fold(right, Held(gate="g", answered=True))
    run.fold(left, Missing(nodes=[0]))
    assert run.answer(Produced()).cells == (0,)

    assert [(o.cells, o.gates) for o in run.start()] == [((2,), True), ((1,), False)]


def test_a_busy_reader_waits_for_a_lost_input_first() -> None:
    """A freed claim wakes no reader whose input is being made again."""
    run = driven(FAN)
    run.answer(Produced())
    left, right = run.start()
    run.fold(right, Busy(owner="r0"))
    run.fold(left, Missing(nodes=[0]))
    run.state.ring("")

    assert run.states == ["READY", "PENDING", "BUSY", "PENDING"]


def test_skeletons_without_durations_know_none() -> None:
    """A plan of an earlier release, which says nothing of durations, is run."""
    plan = skeleton(PAIR)
    old = Skeleton(
        plan=plan.plan,
        names=plan.names,
        waits=plan.waits,
        soft=plan.soft,
        rules=plan.rules,
        rule=plan.rule,
    )

    assert Driven(old, driven(PAIR).request).cells() == [(0,)]
