"""The text of a key is injective, canonical and safe, whatever the key is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from string import ascii_letters, digits
from typing import cast

from hypothesis import example, given, settings
from hypothesis import strategies as st

from flowstone.core.errors import BadPartition
from flowstone.core.partition import PartitionKey
from flowstone.core.ref import Key
from tests.unit.core.keys import HOSTILE, KEYS

many = settings(deadline=None, max_examples=100)
ZONES = st.integers(-86_399, 86_399).map(lambda s: timezone(timedelta(seconds=s)))
CHARACTERS = set(ascii_letters + digits + "_.-+:!%'(){},=")


def like(one: object, other: object) -> bool:
    """Tell whether two keys are the same: equal, of the same types throughout."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        first = cast("Mapping[str, object]", one)
        second = cast("Mapping[str, object]", other)
        return first.keys() == second.keys() and all(
            like(first[name], second[name]) for name in first
        )
    if isinstance(one, tuple) and isinstance(other, tuple):
        left = cast("tuple[object, ...]", one)
        right = cast("tuple[object, ...]", other)
        return len(left) == len(right) and all(map(like, left, right))
    return one.__class__ is other.__class__ and one == other


@many
@given(KEYS)
def test_a_key_comes_back_as_it_was(key: Key) -> None:
    """A key read from its text is the same, of the same types throughout."""
    assert like(PartitionKey(PartitionKey.of(key).text).value, key)


@many
@given(KEYS, KEYS)
@example("7", 7)
@example(("a",), "(a)")
@example({"a": 1}, "{a=1}")
@example(("a", "b"), ("a,b",))
@example("a", "'a'")
def test_two_keys_have_one_text_if_they_are_the_same(one: Key, other: Key) -> None:
    """Equal keys have equal texts, and different ones different texts."""
    same = PartitionKey.of(one) == PartitionKey.of(other)

    assert same == like(one, other)


@many
@given(KEYS)
def test_a_text_has_no_character_that_needs_care(key: Key) -> None:
    """No text can leave a path, a URL's segment or a line."""
    assert set(PartitionKey.of(key).text) <= CHARACTERS


@many
@given(HOSTILE)
def test_a_text_names_one_key_or_none(text: str) -> None:
    """What is read from any text is written as that text again, or is refused."""
    try:
        value = PartitionKey(text).value
    except BadPartition:
        return

    assert PartitionKey.of(value).text == text


@many
@given(KEYS, KEYS)
def test_ids_are_short_and_tell_keys_apart(one: Key, other: Key) -> None:
    """The text in an id is bounded, and differs where the keys do."""
    first, second = PartitionKey.of(one), PartitionKey.of(other)

    assert 0 < len(first.id_text.encode()) <= 120
    assert (first.id_text == second.id_text) == (first == second)


@many
@given(st.text(min_size=121, max_size=300), st.text(min_size=121, max_size=300))
def test_ids_of_long_keys_are_short_too(one: str, other: str) -> None:
    """However long a key is, its id is not, and no short key has it."""
    first, second = PartitionKey.of(one), PartitionKey.of(other)

    assert len(first.id_text.encode()) == 97
    assert "~" in first.id_text
    assert (first.id_text == second.id_text) == (one == other)


@many
@given(st.datetimes(timezones=ZONES))
def test_an_instant_in_any_zone_is_one_key(moment: datetime) -> None:
    """An instant of any zone comes back as the instant that it was, in UTC."""
    try:
        key = PartitionKey.of(moment)
    except BadPartition:
        return  # at the ends of the calendar, where UTC has another year

    assert key.value == moment
    assert key.text.endswith("Z")
