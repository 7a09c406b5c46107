"""A partition's key is one text, which people read and which keeps its type."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from enum import IntEnum
from types import MappingProxyType
from typing import cast

import pytest

from flowstone.core.errors import BadPartition
from flowstone.core.partition import NONE, PartitionKey
from flowstone.core.ref import Key

NOON = datetime(2025, 1, 15, 12, tzinfo=UTC)


class Stamp(datetime):
    """A subclass, as pandas has one."""


class Colour(IntEnum):
    """An int with a type of its own."""

    RED = 1


class Somewhere(tzinfo):
    """A zone that does not say where it is."""

    def utcoffset(self, dt: datetime | None) -> timedelta | None:
        return None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (date(2025, 1, 15), "2025-01-15"),
        (NOON, "2025-01-15T12:00:00Z"),
        (NOON.replace(microsecond=5), "2025-01-15T12:00:00.000005Z"),
        (datetime(987, 1, 1, tzinfo=UTC), "0987-01-01T00:00:00Z"),
        (7, "7"),
        (-7, "-7"),
        (0, "0"),
        ("us-east", "us-east"),
        ("2025-01-15", "'2025-01-15'"),
        ("2025-02-30", "2025-02-30"),
        ("7", "'7'"),
        ("007", "007"),
        ("", "''"),
        ("-", "'-'"),
        ("a b/c~d", "a%20b%2Fc%7Ed"),
        ("Zürich", "Z%C3%BCrich"),
        ((date(2025, 1, 15), "us-east"), "(2025-01-15,us-east)"),
        ((("a",), 1), "((a),1)"),
        ({"region": "eu", "date": date(2025, 1, 15)}, "{date=2025-01-15,region=eu}"),
        ({"a=b": "c,d"}, "{a%3Db=c%2Cd}"),
    ],
)
def test_a_key_has_a_text(value: Key | None, text: str) -> None:
    """Each kind of key has a text of its own, from which it comes back."""
    assert PartitionKey.of(value).text == text
    assert PartitionKey(text).value == value


def test_the_identity_of_an_instant_is_the_instant() -> None:
    """Two ways to write one instant are one key, read back in UTC."""
    zurich = datetime(2025, 1, 15, 13, tzinfo=timezone(timedelta(hours=1)))
    key = PartitionKey.of(zurich)

    assert key == PartitionKey.of(NOON)
    assert key.value == NOON
    assert cast("datetime", key.value).tzinfo is UTC


def test_the_order_of_names_is_no_part_of_a_key() -> None:
    """Mappings with the same dimensions are one key, whatever kind they are."""
    one: Mapping[str, Key] = {"a": 1, "b": 2}
    other = MappingProxyType[str, Key]({"b": 2, "a": 1})

    assert PartitionKey.of(one) == PartitionKey.of(other)
    assert PartitionKey.of(other).value == {"a": 1, "b": 2}


def test_a_key_of_a_key_is_that_key() -> None:
    """Whoever has a key already may pass it on."""
    key = PartitionKey("x")

    assert PartitionKey.of(key) is key


def test_no_partition_is_a_key_as_well() -> None:
    """The absence of a partition is `-` to people, and nothing in ids."""
    assert PartitionKey.of(None) is NONE
    assert NONE.is_none
    assert NONE.value is None
    assert str(NONE) == "-"
    assert NONE.id_text == ""
    assert not PartitionKey.of("-").is_none


REFUSED: list[tuple[object, str]] = [
    (True, "a bool is not one of date, aware datetime, str, int"),
    (1.5, "a float is not one of"),
    (b"x", "a bytes is not one of"),
    (["a"], "a list is not one of"),
    ((None,), "a NoneType is not one of"),
    ((), "an empty tuple names nothing"),
    ({}, "a mapping without dimensions names nothing"),
    ({"": 1}, "the names of its dimensions must be text"),
    ({1: 1}, "the names of its dimensions must be text"),
    (datetime(2025, 1, 15), "give it tzinfo=UTC"),  # noqa: DTZ001 - what is refused
    (datetime(2025, 1, 15, tzinfo=Somewhere()), "give it tzinfo=UTC"),
    (Stamp(2025, 1, 15, tzinfo=UTC), "a subclass of datetime loses its type"),
    (Colour.RED, r"pass str\(...\) or int\(...\) of it"),
    (type("Name", (str,), {})("x"), r"pass str\(...\) or int\(...\) of it"),
    (
        datetime.min.replace(tzinfo=timezone(timedelta(hours=2))),
        "it is outside of the calendar in UTC",
    ),
    ((("a", ("b", [])),), "a list is not one of"),
]


@pytest.mark.parametrize(("value", "words"), REFUSED)
def test_what_cannot_be_a_key_is_refused(value: object, words: str) -> None:
    """A value that could not come back as it was is refused, and says the remedy."""
    with pytest.raises(BadPartition, match=words):
        PartitionKey.of(cast("Key", value))


def test_a_key_that_is_nested_too_deep_is_refused() -> None:
    """Sixteen levels are enough, in either direction."""
    deep: Key = "x"
    for _ in range(16):
        deep = (deep,)
    text = PartitionKey.of(deep).text

    assert PartitionKey(text).value == deep
    with pytest.raises(BadPartition, match="deeper than 16 levels"):
        PartitionKey.of((deep,))
    with pytest.raises(BadPartition, match="deeper than 16 levels"):
        _ = PartitionKey(f"({text})").value


@pytest.mark.parametrize("sign", [1, -1])
def test_a_number_has_at_most_4000_digits(sign: int) -> None:
    """The longest numbers are keys, and a longer one is refused as such."""
    longest = sign * (10**4000 - 1)

    assert PartitionKey(PartitionKey.of(longest).text).value == longest
    with pytest.raises(BadPartition, match="has more than 4000 digits"):
        PartitionKey.of(longest + sign)
    as_text = PartitionKey.of("9" * 4001)
    assert PartitionKey(as_text.text).value == "9" * 4001


def test_a_refused_value_is_shown_in_short() -> None:
    """A long value is cut in the message."""
    with pytest.raises(BadPartition) as caught:
        PartitionKey.of(cast("Key", ["x" * 500]))

    assert len(caught.value.partition) == 80
    assert caught.value.partition.endswith("...")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "'x'",
        "'7",
        "'7'x",
        "a b",
        "Zürich",
        "%41",
        "%zz",
        "+%",
        "()",
        "(a",
        "(a,)",
        "(a)b",
        "a)",
        "{}",
        "{a}",
        "{a=1",
        "{=1}",
        "{b=1,a=2}",
        "{a=1,a=2}",
        "2025-01-15T12:00:00.000000Z",
        "2025-01-15,",
        "(-)",
    ],
)
def test_a_text_that_no_key_has_is_refused(text: str) -> None:
    """A text in another form than that of its value is no key's."""
    with pytest.raises(BadPartition):
        _ = PartitionKey(text).value


def test_escapes_that_are_no_text_are_refused() -> None:
    """What is escaped must be UTF-8."""
    with pytest.raises(BadPartition, match="not UTF-8"):
        _ = PartitionKey("%FF").value


def test_a_short_text_is_an_id_as_it_is() -> None:
    """People find a key again in ids, up to 120 bytes of it."""
    assert PartitionKey.of("x" * 120).id_text == "x" * 120


def test_a_long_text_is_cut_and_hashed_in_ids() -> None:
    """A longer key keeps its beginning, and has a hash that tells it from others."""
    one, other = (PartitionKey.of("x" * 120 + end).id_text for end in "ab")

    assert one[:81] == f"{'x' * 80}~"
    assert len(one) == 97
    assert one != other


def test_a_key_crosses_processes() -> None:
    """A key can be pickled, compared and sorted."""
    keys = [PartitionKey.of(value) for value in ("b", "a", NOON)]

    assert pickle.loads(pickle.dumps(keys)) == keys
    assert [key.text for key in sorted(keys)] == ["2025-01-15T12:00:00Z", "a", "b"]
