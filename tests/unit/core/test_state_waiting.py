"""How a run waits: for time, for other runs, for workers, for answers."""

from __future__ import annotations

from datetime import timedelta

from flowstone.core.alarms import to_millis
from flowstone.core.plan import Rule
from flowstone.core.replies import (
    Busy,
    Held,
    Left,
    NotHere,
    Produced,
    Raised,
    Reused,
    Snoozed,
)
from tests.unit.core.driven import CHAIN, driven
from tests.unit.core.world import BEGIN

ONE = {"report": list[str]()}
PAIR = {"raw": [], "report": ["raw"]}
TWO = {"left": [], "right": [], "report": ["left", "right"]}


def until(seconds: float, gate: str = "g") -> Held:
    return Held(gate=gate, deadline=BEGIN + timedelta(seconds=seconds))


# --- for time -----------------------------------------------------------------------


def test_what_snoozes_wakes_by_itself() -> None:
    """An asset that asked to be called later is called then, and not before."""
    run = driven(ONE)
    run.answer(Snoozed(millis=1_500))
    run.wait(1.499)
    assert run.cells() == []
    run.wait(0.001)

    assert run.cells() == [(0,)]


def test_the_earliest_of_all_that_wait_is_next() -> None:
    """What wakes first says when to look again, be it a sleeper or a deadline."""
    run = driven(TWO)
    left, right = run.start()
    run.fold(left, until(20))
    assert run.due == 20
    run.fold(right, Snoozed(millis=5_000))

    assert run.due == 5


# --- for another run ----------------------------------------------------------------


def test_another_runs_claim_is_asked_for_ever_later() -> None:
    """What another run makes is asked for after 5 s, then twice that, at most 10 min."""
    run = driven(ONE)
    waits: list[float | None] = []
    for _ in range(9):
        run.answer(Busy(owner="r0"))
        waits.append(run.due)
        run.wait(run.due or 0)

    assert waits == [5, 10, 20, 40, 80, 160, 320, 600, 600]


def test_people_are_told_who_makes_it() -> None:
    """While another run makes an asset, its name is noted; afterwards not."""
    run = driven(ONE)
    run.answer(Busy(owner="r0"))
    assert run.state.notes == {0: "run r0 is making it"}
    run.state.ring("")
    run.answer(Reused())

    assert run.state.notes == {}


def test_a_freed_claim_is_asked_for_at_once() -> None:
    """The bell of a freed claim wakes all that met another run, and nobody else."""
    run = driven({"left": [], "right": [], "rest": [], "report": []})
    left, right, rest, report = run.start()
    run.fold(left, Busy(owner="r0"))
    run.fold(right, Busy(owner="r0"))
    run.fold(rest, Snoozed(millis=60_000))
    run.fold(report, Produced())
    run.state.ring("")

    assert run.states == ["READY", "READY", "SLEEPING", "MADE"]


def test_a_second_bell_changes_nothing() -> None:
    """A claim that is freed twice has its asset asked for once."""
    run = driven(ONE)
    run.answer(Busy(owner="r0"))
    run.state.ring("")
    run.state.ring("")

    assert run.cells() == [(0,)]
    assert run.cells() == []


def test_a_bell_that_overtakes_the_reply_is_not_lost() -> None:
    """Where the claim was freed while it was asked for, it is asked for again."""
    run = driven(ONE)
    [order] = run.start()
    run.state.ring("")
    run.fold(order, Busy(owner="r0"))
    assert run.states == ["READY"]
    run.answer(Busy(owner="r0"))

    assert run.states == ["BUSY"]


def test_all_that_met_another_run_ask_in_one_pack() -> None:
    """Busy assets of unknown duration are asked for together."""
    run = driven({"left": [], "right": [], "report": ["left", "right"]}, packs="auto")
    for order in run.start():
        run.fold(order, *[Busy(owner="r0")] * len(order.cells))
    run.state.ring("")

    assert run.cells() == [(0, 1, 2)]


def test_an_asset_asked_for_in_a_pack_waits_for_what_was_not_made_there() -> None:
    """A busy reader whose upstream failed to be made waits for that, not for a claim."""
    run = driven(PAIR, packs="whole", rules={"raw": Rule(attempts=2, declared=True)})
    run.answer(Raised(), Busy(owner="r0"))

    assert run.states == ["SLEEPING", "PENDING"]


# --- for a worker -------------------------------------------------------------------


def test_an_asset_that_no_worker_has_is_asked_for_ever_later() -> None:
    """It is asked for after 0.5 s, then twice that, at most 10 s; and why is noted."""
    run = driven(ONE)
    waits: list[float | None] = []
    again: list[bool] = []
    for _ in range(7):
        again.append(run.answer(NotHere(why="no worker has it")).again)
        waits.append(run.due)
        run.wait(run.due or 0)

    assert waits == [0.5, 1, 2, 4, 8, 10, 10]
    assert again == [False, *[True] * 6]
    assert run.state.notes == {0: "no worker has it"}


def test_a_busy_claim_is_no_worker_that_lacks_the_asset() -> None:
    """Who met another run is asked again of any worker."""
    run = driven(ONE)
    run.answer(Busy(owner="r0"))
    run.state.ring("")
    [order] = run.start()

    assert not order.again


def test_how_often_it_was_asked_for_is_forgotten_when_it_runs() -> None:
    """An asset that got through is asked for from the beginning when it is put off."""
    run = driven(ONE)
    for reply in (Busy(owner="r0"), Busy(owner="r0"), Snoozed(millis=0)):
        run.answer(reply)
        run.wait(60)
    run.answer(Busy(owner="r0"))

    assert run.due == 5


def test_what_a_lost_worker_left_goes_alone() -> None:
    """An asset that asks for an activity of its own gets one from then on."""
    run = driven(CHAIN, packs="whole")
    run.answer(Produced(), Left(solo=True), Left())

    assert run.cells() == [(1,)]


# --- for an answer ------------------------------------------------------------------


def test_a_gate_is_asked_when_its_bell_rings() -> None:
    """An answer has its gate asked at once, and a stranger's bell has not."""
    run = driven(ONE)
    run.answer(until(600))
    run.state.ring("another's")
    assert run.cells() == []
    run.state.ring("g")
    [order] = run.start()

    assert (order.cells, order.gates, order.expired) == ((0,), True, False)


def test_a_gate_is_asked_at_its_deadline() -> None:
    """A deadline that has passed has its gate asked whether it has expired."""
    run = driven(ONE)
    run.answer(until(600))
    run.wait(600)
    [order] = run.start()

    assert (order.gates, order.expired) == (True, True)


def test_a_gate_is_told_which_instant_has_come() -> None:
    """What a gate does at an instant it does once: each is told apart."""
    run = driven(ONE)
    run.answer(until(600))
    run.wait(600)
    [first] = run.start()
    run.fold(first, until(900))
    run.wait(300)
    [second] = run.start()
    run.fold(second, until(1200))
    run.state.ring("g")
    [rung] = run.start()

    millis = to_millis(BEGIN)
    assert first.instants == (millis + 600_000,)
    assert second.instants == (millis + 900_000,)
    assert rung.instants == ()


def test_people_are_told_whom_an_asset_waits_for() -> None:
    """Who is asked is noted while a value waits for a decision; afterwards not."""
    run = driven(ONE)
    run.answer(Held(gate="g", waits_for="a decision by the board"))
    assert run.state.notes == {0: "a decision by the board"}
    run.state.ring("g")
    run.answer(Produced())

    assert run.state.notes == {}


def test_late_gates_and_rung_ones_are_asked_apart() -> None:
    """One order asks the gates that are late, another one those that have answers."""
    run = driven(TWO)
    left, right = run.start()
    run.fold(left, until(600, "a"))
    run.fold(right, Held(gate="b", answered=True))
    run.wait(600)

    assert [(o.cells, o.expired) for o in run.start()] == [((0,), True), ((1,), False)]


def test_a_gate_that_finds_no_room_is_asked_later() -> None:
    """A passed deadline is remembered without waking the run again and again."""
    run = driven(TWO)
    left, _ = run.start()
    run.fold(left, until(5))
    run.wait(5)
    assert run.start(0) == []
    assert run.due is None

    assert run.cells(1) == [(0,)]


def test_a_gate_that_was_given_back_is_asked_again() -> None:
    """Nobody forgets that a gate was late, or rung, when its step did not begin."""
    run = driven(TWO)
    left, right = run.start()
    run.fold(left, until(600, "a"))
    run.fold(right, Held(gate="b", answered=True))
    run.wait(600)
    late, rung = run.start()
    run.state.give_back(late)
    run.state.give_back(rung)

    assert run.states == ["WAITING", "WAITING", "PENDING"]
    assert [(o.cells, o.expired) for o in run.start()] == [((0,), True), ((1,), False)]


def test_a_gate_that_is_gone_has_its_asset_run_again() -> None:
    """Where no gate is found, the asset is called anew."""
    run = driven(ONE)
    run.answer(Held(gate="g", answered=True))
    run.answer(Left())
    [order] = run.start()

    assert (order.cells, order.gates) == ((0,), False)
