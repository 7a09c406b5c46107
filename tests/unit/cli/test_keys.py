"""Partitions are typed as their canonical text."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
import typer

from flowstone import BadPartition, Key, daily, hourly, monthly, one_of, product, weekly
from flowstone.cli.keys import key_of, keys_between, keys_of, text_of
from flowstone.core.space import Space

DAY = date(2025, 1, 15)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("2025-01-15", DAY),
        ("2025-01-15T14:00:00Z", datetime(2025, 1, 15, 14, tzinfo=UTC)),
        ("7", 7),
        ("-7", -7),
        ("eu", "eu"),
        ("'7'", "7"),
        ("(2025-01-15,eu)", (DAY, "eu")),
        ("{date=2025-01-15,region=eu}", {"date": DAY, "region": "eu"}),
    ],
)
def test_a_key_keeps_its_type(text: str, key: Key) -> None:
    """What is typed is the key of that text, of its own type, and back."""
    assert key_of(text) == key
    assert text_of(key) == text


def test_no_key_is_no_text() -> None:
    """An option left out, and the text `-`, are the absence of a partition."""
    assert key_of(None) is None
    assert key_of("-") is None
    assert text_of(None) is None


@pytest.mark.parametrize("text", ["007x y", "(2025-01-15", "{b=1,a=2}", "", "a,b"])
def test_a_text_that_is_not_canonical_is_refused(text: str) -> None:
    """A key has one text; another one is refused and named."""
    with pytest.raises(BadPartition, match="cannot be a partition"):
        key_of(text)


def test_a_list_is_parted_between_keys_only() -> None:
    """Commas inside of a tuple or a mapping do not part a list."""
    found = keys_of("2025-01-15, (1,a),{x=1,y=2} ,eu")

    assert found == [DAY, (1, "a"), {"x": 1, "y": 2}, "eu"]


@pytest.mark.parametrize(
    ("space", "start", "end", "texts"),
    [
        (None, "2025-01-30", "2025-02-01", "2025-01-30 2025-01-31 2025-02-01"),
        (None, "3", "5", "3 4 5"),
        (
            None,
            "2025-01-15T22:00:00Z",
            "2025-01-16T00:00:00Z",
            "2025-01-15T22:00:00Z 2025-01-15T23:00:00Z 2025-01-16T00:00:00Z",
        ),
        (daily(date(2025, 1, 1)), "2025-01-15", "2025-01-16", "2025-01-15 2025-01-16"),
        (daily(date(2025, 1, 1)), None, "2025-01-02", "2025-01-01 2025-01-02"),
        (daily(DAY, date(2025, 1, 16)), "2025-01-16", None, "2025-01-16"),
        (weekly(date(2025, 1, 1)), "2025-01-03", "2025-01-16", "2025-01-08 2025-01-15"),
        (monthly(date(2025, 1, 1)), None, "2025-02-09", "2025-01-01 2025-02-01"),
        (
            hourly(datetime(2025, 1, 1, tzinfo=UTC)),
            "2025-01-01T01:00:00Z",
            "2025-01-01T01:00:00Z",
            "2025-01-01T01:00:00Z",
        ),
        (one_of("a", "b", "c"), "b", None, "b c"),
        (one_of("a", "b", "c"), None, "b", "a b"),
    ],
)
def test_a_range_steps_as_the_space_does(
    space: Space | None, start: str | None, end: str | None, texts: str
) -> None:
    """From one key to another are the keys of the asset's own space."""
    found = keys_between(space, start, end)

    assert [text_of(key) for key in found] == texts.split()


@pytest.mark.parametrize(
    ("space", "start", "end"),
    [
        (daily(DAY), "2025-01-15", None),
        (daily(DAY), "7", "9"),
        (one_of("a", "b"), "z", None),
        (product(daily(DAY), ["eu"]), "2025-01-15", "2025-01-16"),
        (None, "a", "b"),
        (None, "2025-01-16", "2025-01-15"),
    ],
)
def test_a_range_that_names_nothing_is_refused(
    space: Space | None, start: str, end: str | None
) -> None:
    """An open end, an end outside and a space without order are refused."""
    with pytest.raises(BadPartition):
        keys_between(space, start, end)


def test_a_range_without_a_space_needs_both_ends() -> None:
    """Where the asset declares no partitions, both ends must be given."""
    with pytest.raises(typer.BadParameter, match="give both"):
        keys_between(None, "2025-01-15", None)
