"""When things wake by themselves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from flowstone.core.alarms import Alarms, to_millis

BEGIN = datetime(2025, 1, 15, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_the_earliest_is_next() -> None:
    """Of several instants the earliest is found, and none where there is none."""
    alarms = Alarms()
    assert alarms.next is None
    alarms.set(1, BEGIN + 2 * SECOND)
    alarms.set(2, BEGIN + SECOND)

    assert alarms.next == BEGIN + SECOND


def test_an_alarm_that_is_set_anew_is_moved() -> None:
    """A number has one instant: the last that it was given."""
    alarms = Alarms()
    alarms.set(1, BEGIN + SECOND)
    alarms.set(1, BEGIN + 2 * SECOND)

    assert alarms.next == BEGIN + 2 * SECOND
    assert alarms.ring(BEGIN + SECOND) == []
    assert alarms.ring(BEGIN + 2 * SECOND) == [1]


def test_an_alarm_that_is_dropped_does_not_ring() -> None:
    """What was dropped is not next, and dropping nothing is nothing."""
    alarms = Alarms()
    alarms.set(1, BEGIN)
    alarms.drop(1)
    alarms.drop(7)

    assert alarms.next is None
    assert alarms.ring(BEGIN + SECOND) == []


def test_an_alarm_that_is_set_twice_to_one_instant_rings_once() -> None:
    """The same instant again is the same alarm."""
    alarms = Alarms()
    alarms.set(1, BEGIN)
    alarms.set(1, BEGIN)

    assert alarms.ring(BEGIN) == [1]
    assert alarms.ring(BEGIN) == []


def test_what_is_due_rings_in_its_order() -> None:
    """The earliest rings first, and what is not due does not ring."""
    alarms = Alarms()
    for number, seconds in ((1, 3), (2, 1), (3, 2), (4, 9)):
        alarms.set_after(number, BEGIN, seconds * 1_000)

    assert alarms.ring(BEGIN + 3 * SECOND) == [2, 3, 1]
    assert alarms.next == BEGIN + 9 * SECOND


def test_nothing_sleeps_for_more_than_ten_years() -> None:
    """Whatever wishes to sleep longer is asked again then."""
    alarms = Alarms()
    alarms.set_after(1, BEGIN, 10**18)

    assert alarms.next == BEGIN + timedelta(days=3650)


def test_an_instant_is_rounded_up() -> None:
    """Nothing wakes before its time, be it by a microsecond."""
    alarms = Alarms()
    alarms.set(1, BEGIN + timedelta(microseconds=1))

    assert alarms.next == BEGIN + timedelta(milliseconds=1)
    assert to_millis(datetime(1970, 1, 1, tzinfo=UTC)) == 0


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.none() | st.integers(-(10**6), 10**6)),
        max_size=40,
    ),
    st.integers(-(10**6), 10**6),
)
def test_alarms_are_as_they_were_set(
    steps: list[tuple[int, int | None]], after: int
) -> None:
    """Whatever is set and dropped, what is due rings in order, also after crossing."""
    alarms, model = Alarms(), dict[int, int]()
    for number, millis in steps:
        if millis is None:
            alarms.drop(number)
            model.pop(number, None)
        else:
            alarms.set_after(number, BEGIN, millis)
            model[number] = to_millis(BEGIN) + millis
    assert alarms.write() == model
    assert list(alarms.write()) == sorted(model)
    other = Alarms()
    other.read(alarms.write())

    due = [n for n, at in model.items() if at <= to_millis(BEGIN) + after]
    expected = sorted(due, key=lambda n: (model[n], n))
    now = BEGIN + timedelta(milliseconds=after)
    assert alarms.ring(now) == other.ring(now) == expected
    assert set(alarms.write()) == set(model) - set(due)
