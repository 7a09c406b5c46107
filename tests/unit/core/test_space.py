"""Which keys there are: ranges and spaces."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta, timezone
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowstone.core.errors import BadPartition, NotSupported
from flowstone.core.ref import Key
from flowstone.core.space import (
    Days,
    Space,
    daily,
    dynamic,
    hourly,
    monthly,
    one_of,
    product,
    single,
    weekly,
)

JAN_1 = date(2025, 1, 1)
NOON = datetime(2025, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
KINDS = {"day": daily, "week": weekly, "month": monthly}


def test_days_go_from_the_first_to_the_last() -> None:
    """Both ends of a range belong to it."""
    assert list(daily(JAN_1, date(2025, 1, 3))) == [
        date(2025, 1, 1),
        date(2025, 1, 2),
        date(2025, 1, 3),
    ]
    assert list(daily(JAN_1, JAN_1)) == [JAN_1]


def test_weeks_start_on_the_weekday_of_the_first() -> None:
    """A week's key is each seventh day."""
    assert list(weekly(JAN_1, date(2025, 1, 20))) == [
        date(2025, 1, 1),
        date(2025, 1, 8),
        date(2025, 1, 15),
    ]


def test_months_are_named_by_the_day_of_the_first() -> None:
    """A month's key is the same day in each month."""
    assert list(monthly(date(2024, 12, 28), date(2025, 3, 27))) == [
        date(2024, 12, 28),
        date(2025, 1, 28),
        date(2025, 2, 28),
    ]


def test_a_range_may_end_with_the_calendar() -> None:
    """The last day of all is a key like any other."""
    assert list(daily(date(9999, 12, 30), date.max))[-1] == date.max
    assert list(monthly(date(9999, 12, 1), date.max)) == [date(9999, 12, 1)]


@pytest.mark.parametrize(
    ("key", "there"),
    [
        (date(2025, 1, 8), True),
        (date(2025, 1, 9), False),
        (date(2024, 12, 25), False),
        (date(2025, 1, 22), False),
        (datetime(2025, 1, 8, tzinfo=UTC), False),
        ("2025-01-08", False),
        (None, False),
    ],
)
def test_a_day_belongs_or_not(key: object, there: bool) -> None:
    """Only dates of the range and of its step belong to it."""
    assert (key in weekly(JAN_1, date(2025, 1, 20))) == there


def test_an_open_range_has_no_last_key() -> None:
    """What is open at its end can be asked and not be listed."""
    assert date(2999, 1, 1) in daily(JAN_1)
    assert date(2025, 3, 1) in monthly(JAN_1)
    assert date(2025, 3, 2) not in monthly(JAN_1)
    with pytest.raises(BadPartition, match="it has no last key; name the partitions"):
        list(daily(JAN_1))
    with pytest.raises(BadPartition, match="it has no last key"):
        list(hourly(NOON))


@settings(deadline=None)
@given(
    st.sampled_from(sorted(KINDS)),
    st.dates(date(2020, 1, 1), date(2030, 1, 1)),
    st.integers(0, 800),
)
def test_a_range_lists_what_belongs_to_it(kind: str, first: date, days: int) -> None:
    """The keys of a range are just the dates that are in it, in order."""
    first = first.replace(day=min(first.day, 28))
    space: Days = KINDS[kind](first, first + timedelta(days=days))
    around = [first + timedelta(days=n) for n in range(-40, days + 40)]

    assert list(space) == [day for day in around if day in space]


# --- hours --------------------------------------------------------------------------


def test_hours_are_instants() -> None:
    """Hours of any zone are the same instants, given in UTC."""
    zurich = timezone(HOUR)
    found = list(hourly(NOON.astimezone(zurich), NOON + HOUR))

    assert found == [NOON, NOON + HOUR]
    assert found[0].tzinfo is UTC


@pytest.mark.parametrize(
    ("key", "there"),
    [
        (NOON + HOUR, True),
        ((NOON + HOUR).astimezone(timezone(-HOUR)), True),
        (NOON + HOUR / 2, False),
        (NOON - HOUR, False),
        (NOON + 9 * HOUR, False),
        (datetime(2025, 1, 1, 13), False),  # noqa: DTZ001 - it names no instant
        (JAN_1, False),
    ],
)
def test_an_hour_belongs_or_not(key: object, there: bool) -> None:
    """Only full hours of the range belong to it."""
    assert (key in hourly(NOON, NOON + 3 * HOUR)) == there


# --- lists and products -------------------------------------------------------------


def test_a_list_of_keys_is_a_space() -> None:
    """The listed keys belong to it, each once and in their order."""
    space = one_of("eu", "us", "eu", 7)

    assert list(space) == ["eu", "us", 7]
    assert "us" in space
    assert "7" not in space
    assert None not in space
    assert 1.5 not in space


def test_a_product_has_every_combination() -> None:
    """The last dimension changes fastest."""
    assert list(product(["a", "b"], one_of(1, 2))) == [
        ("a", 1),
        ("a", 2),
        ("b", 1),
        ("b", 2),
    ]


def test_a_named_product_has_mappings() -> None:
    """Dimensions with names give keys with names."""
    space = product(date=daily(JAN_1, JAN_1), region=["eu"])

    assert list(space) == [{"date": JAN_1, "region": "eu"}]
    assert {"region": "eu", "date": JAN_1} in space
    assert {"region": "us", "date": JAN_1} not in space
    assert {"region": "eu"} not in space
    assert ("eu", JAN_1) not in space


def test_a_product_of_an_open_range_can_be_asked() -> None:
    """A combination belongs where each of its parts does."""
    space = product(daily(JAN_1), ["eu"])

    assert (date(2999, 1, 1), "eu") in space
    assert (date(2999, 1, 1), "us") not in space
    assert (date(2999, 1, 1),) not in space
    assert "eu" not in space


def test_single_has_no_key() -> None:
    """An asset without partitions has only the absence of one."""
    assert None in single
    assert "eu" not in single
    assert list(single.keys()) == []
    assert repr(single) == "single"


def test_every_space_is_one() -> None:
    """Whatever the words give, it answers as a space does."""
    spaces = (daily(JAN_1), hourly(NOON), one_of(1), product([1]), single)

    assert all(isinstance(space, Space) for space in spaces)


# --- what is refused ----------------------------------------------------------------


def test_a_range_that_ends_before_it_begins_is_refused() -> None:
    """The last key must not come before the first."""
    with pytest.raises(BadPartition, match="the last is before the first"):
        daily(JAN_1, date(2024, 12, 31))
    with pytest.raises(BadPartition, match="the last is before the first"):
        hourly(NOON, NOON - HOUR)


def test_a_day_that_some_months_lack_is_refused() -> None:
    """Months are named by a day that each of them has."""
    with pytest.raises(BadPartition, match="take 1 to 28"):
        monthly(date(2025, 1, 29))


def test_days_are_dates_and_hours_are_instants() -> None:
    """What is neither is refused where the range is written."""
    with pytest.raises(BadPartition, match="a date is needed here"):
        daily(NOON)
    with pytest.raises(BadPartition, match="a date is needed here"):
        monthly(cast("date", "2025-01-01"))
    with pytest.raises(BadPartition, match="hours need a datetime with a zone"):
        hourly(datetime(2025, 1, 1))  # noqa: DTZ001 - what is refused
    with pytest.raises(BadPartition, match="hours need a datetime with a zone"):
        hourly(NOON, cast("datetime", JAN_1))


def test_an_empty_space_is_refused() -> None:
    """A space has a key, and a product a dimension."""
    with pytest.raises(BadPartition, match="list at least one key"):
        one_of()
    with pytest.raises(BadPartition, match="all by position, or all by name"):
        product()
    with pytest.raises(BadPartition, match="all by position, or all by name"):
        product(["a"], region=["eu"])


def test_a_text_is_no_list_of_keys() -> None:
    """Whoever forgets the brackets is told, rather than given its letters."""
    with pytest.raises(BadPartition, match="'eu' cannot be a partition: write it as"):
        product(region=cast("Iterable[Key]", "eu"))


def test_a_key_of_a_list_must_be_one() -> None:
    """What cannot be a key cannot be listed."""
    with pytest.raises(BadPartition, match="a float is not one of"):
        one_of(cast("Key", 1.5))


def test_what_is_not_built_yet_is_refused() -> None:
    """Words that are designed and not built say so."""
    with pytest.raises(NotSupported, match=r"product\(where=...\)"):
        product(date=daily(JAN_1), where=[])
    with pytest.raises(NotSupported, match=r"product\(only=...\)"):
        product(only=[])
    with pytest.raises(NotSupported, match=r"dynamic\('customers'\)"):
        dynamic("customers")
