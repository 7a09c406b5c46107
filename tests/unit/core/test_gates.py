"""Which gates are asked, and that no bell is lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from flowstone.core.alarms import to_millis
from flowstone.core.gates import Gates
from flowstone.core.replies import Held

BEGIN = datetime(2025, 1, 15, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def held(*names: str, deadline: datetime | None = None) -> Gates:
    """Have cells wait at gates of these names."""
    gates = Gates()
    for number, name in enumerate(names):
        gates.hold(number, Held(gate=name, deadline=deadline))
    return gates


def rung(gates: Gates, most: int = 9) -> list[int]:
    return gates.take(lambda _: True, most, expired=False)


def late(gates: Gates, now: datetime) -> list[int]:
    gates.pass_deadlines(now)
    return gates.take(lambda _: True, 9, expired=True)


def test_a_bell_has_its_gate_asked_once() -> None:
    """One bell is one question, to the cell that waits there."""
    gates = held("a", "b")
    gates.ring("b", listen=False)

    assert rung(gates) == [1]
    assert rung(gates) == []


def test_an_answer_that_is_there_is_asked_for() -> None:
    """A gate that opens with its answer needs no bell."""
    gates = Gates()
    gates.hold(3, Held(gate="a", answered=True))

    assert rung(gates) == [3]


def test_a_bell_before_its_gate_is_kept() -> None:
    """Who is told of a gate after its bell has it asked at once."""
    gates = Gates()
    gates.ring("a", listen=True)
    gates.hold(3, Held(gate="a"))

    assert rung(gates) == [3]


def test_a_bell_before_its_gate_serves_once() -> None:
    """A kept bell is used up by the gate that it was for."""
    gates = Gates()
    gates.ring("a", listen=True)
    gates.hold(3, Held(gate="a"))
    rung(gates)
    gates.hold(3, Held(gate="a"))

    assert rung(gates) == []


def test_a_strangers_bell_is_dropped() -> None:
    """Where no gate may be told of any more, no bell is kept."""
    gates = Gates()
    gates.ring("a", listen=False)
    gates.hold(0, Held(gate="a"))
    gates.ring("b", listen=True)
    gates.forget_early()
    gates.hold(1, Held(gate="b"))

    assert rung(gates) == []


def test_a_bell_while_its_gate_is_asked_is_kept() -> None:
    """An answer that came during the question is asked for again."""
    gates = held("a")
    gates.ring("a", listen=False)
    assert rung(gates) == [0]
    gates.ring("a", listen=False)
    gates.hold(0, Held(gate="a"))

    assert rung(gates) == [0]


def test_a_deadline_is_asked_about_once() -> None:
    """A deadline that has passed has its gate asked, and is next no more."""
    gates = held("a", deadline=BEGIN + HOUR)
    assert gates.next_deadline == BEGIN + HOUR
    assert late(gates, BEGIN) == []

    assert late(gates, BEGIN + HOUR) == [0]
    assert late(gates, BEGIN + HOUR) == []
    assert gates.next_deadline is None


def test_a_gate_is_asked_for_an_instant() -> None:
    """Which instant has come is known until the gate's next one is told."""
    gates = held("a", deadline=BEGIN + HOUR)
    assert late(gates, BEGIN + HOUR) == [0]
    assert gates.instant(0) == to_millis(BEGIN + HOUR)
    gates.hold(0, Held(gate="a", deadline=BEGIN + 2 * HOUR))

    assert gates.instant(0) == to_millis(BEGIN + 2 * HOUR)


def test_who_is_late_and_rung_is_asked_once() -> None:
    """The question whether a gate has expired finds an answer too."""
    gates = held("a", deadline=BEGIN)
    gates.ring("a", listen=False)

    assert late(gates, BEGIN) == [0]
    assert rung(gates) == []


def test_who_waits_no_more_is_not_asked() -> None:
    """What was dropped has neither bell nor deadline."""
    gates = held("a", "b", deadline=BEGIN)
    gates.ask(0, late=False)
    gates.ask(1, late=True)
    gates.drop(0)
    gates.drop(1)
    gates.ring("a", listen=False)

    assert late(gates, BEGIN) == []
    assert rung(gates) == []
    assert gates.next_deadline is None


def test_who_cannot_be_asked_now_is_asked_later() -> None:
    """A cell that waits for something else first keeps its bell."""
    gates = held("a", "b")
    gates.ask(0, late=False)
    gates.ask(1, late=False)

    assert gates.take(lambda n: n == 1, 9, expired=False) == [1]
    assert rung(gates) == [0]


def test_many_gates_are_asked_in_turns() -> None:
    """No more are asked at once than are wanted; the rest comes next."""
    gates = held("a", "b", "c")
    for number in (2, 0, 1):
        gates.ask(number, late=False)

    assert rung(gates, most=2) == [0, 1]
    assert rung(gates, most=2) == [2]


def test_a_gate_that_changed_hands_belongs_to_the_last() -> None:
    """A cell that lets go of its gate does not take it from another one."""
    gates = held("a", "a")
    gates.drop(0)
    gates.ring("a", listen=False)

    assert rung(gates) == [1]
