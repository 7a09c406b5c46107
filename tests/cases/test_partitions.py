"""Partitions: the lines of the cases on keys and their texts."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowstone import Context, Flowstone, Key, Partition, Pipeline, asset, daily

SCALARS = st.one_of(
    st.dates(),
    st.datetimes(
        min_value=datetime(2, 1, 1),  # noqa: DTZ001 - hypothesis wants it naive
        max_value=datetime(9998, 1, 1),  # noqa: DTZ001
        timezones=st.sampled_from(
            [UTC, timezone(timedelta(hours=2)), timezone(timedelta(hours=-5))]
        ),
    ),
    st.integers(),
    st.text(),
)
KEYS = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4).map(tuple),
        st.dictionaries(st.text(min_size=1), inner, min_size=1, max_size=3),
    ),
    max_leaves=6,
)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (date(2024, 1, 1), "2024-01-01"),
        (datetime(2024, 1, 1, tzinfo=UTC), "2024-01-01T00:00:00Z"),
        (
            ("tenant", "region", date(2024, 1, 1)),
            "(tenant,region,2024-01-01)",
        ),
        ("simple", "simple"),
        ("tenant_123", "tenant_123"),
        ("value:with:colons", "value:with:colons"),
        ("value|with|pipes", "value%7Cwith%7Cpipes"),
        ({"region": "eu", "date": date(2024, 1, 1)}, "{date=2024-01-01,region=eu}"),
        ("2024-01-01", "'2024-01-01'"),
        ("7", "'7'"),
        (7, "7"),
        (None, "-"),
        ("-", "'-'"),
        ("", "''"),
    ],
)
def test_a_key_has_a_text_that_people_read(key: Key | None, text: str) -> None:
    """A key's text is readable and keeps its type (PAR-01, PAR-02, PAR-04, PAR-06).

    PAR-07, PAR-08: reserved characters are percent-encoded, others stay.
    """
    assert Partition.of(key).text == text
    assert Partition(text).value == key


@given(KEYS)
def test_a_key_comes_back_as_it_was(key: Key) -> None:
    """A key survives its text, with its type (PAR-09, PAR-16)."""
    back = Partition(Partition.of(key).text).value

    assert back == key
    assert type(back) is type(key)
    assert Partition.of(key).text.isascii()


@given(KEYS, KEYS)
def test_keys_of_different_types_differ(one: Key, two: Key) -> None:
    """Equal keys have equal texts, and different keys different ones (PAR-17, PAR-11)."""
    same = one == two and type(one) is type(two)

    assert (Partition.of(one).text == Partition.of(two).text) == same


def test_a_datetime_is_its_instant() -> None:
    """Datetimes of one instant are one key, whatever their offsets (PAR-15)."""
    here = datetime(2024, 1, 1, 10, tzinfo=timezone(timedelta(hours=2)))

    assert Partition.of(here) == Partition.of(datetime(2024, 1, 1, 8, tzinfo=UTC))
    assert Partition.of(here).value == here


def test_a_range_has_both_ends() -> None:
    """A range of days includes its first and its last (PAR-20)."""
    days = list(daily(date(2025, 1, 1), date(2025, 1, 5)))

    assert days == [date(2025, 1, d) for d in range(1, 6)]


async def test_a_key_and_its_text_are_one_cell() -> None:
    """A value is found by its key, and a text that looks like it is another (IO-03)."""

    @asset
    def echo(ctx: Context) -> str:
        return repr(ctx.partition)

    async with Flowstone("t", Pipeline(echo)).local() as stone:
        await (await stone.materialize(echo, date(2024, 1, 1))).result()

        assert await stone.value(echo, date(2024, 1, 1)) == repr(date(2024, 1, 1))
        assert not await stone.exists(echo, "2024-01-01")
