"""Retries as data: how long to wait, and what makes no sense."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from math import inf, nan
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowstone.core.errors import DefinitionError
from flowstone.core.policy import HOUR, MINUTE, SECOND, Retry


def test_each_wait_is_longer_than_the_one_before() -> None:
    """The wait is multiplied each time, up to the longest."""
    retry = Retry(attempts=9, delay=2 * SECOND, backoff=3.0, max_delay=MINUTE)

    assert [retry.wait(n) / SECOND for n in range(1, 6)] == [2, 6, 18, 54, 60]


def test_no_number_of_failures_is_too_many() -> None:
    """A wait beyond all numbers is the longest wait; no wait stays none."""
    assert Retry(attempts=10**9).wait(10**6) == MINUTE
    assert Retry(attempts=10**9, delay=timedelta(0)).wait(10**6) == timedelta(0)


@given(
    st.timedeltas(timedelta(0), HOUR),
    st.floats(1, 1e6),
    st.timedeltas(timedelta(0), HOUR),
    st.integers(1, 10**6),
)
def test_waits_grow_and_are_bounded(
    delay: timedelta, backoff: float, more: timedelta, failures: int
) -> None:
    """No wait is shorter than the one before, nor longer than the longest."""
    retry = Retry(attempts=2, delay=delay, backoff=backoff, max_delay=delay + more)

    assert retry.wait(1) == delay
    assert retry.wait(failures) <= retry.wait(failures + 1) <= delay + more


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"attempts": 0}, "attempts must be at least 1"),
        ({"delay": -SECOND}, "delay must not be negative"),
        ({"backoff": 0.5}, "backoff must be a number of at least 1"),
        ({"backoff": nan}, "backoff must be a number of at least 1"),
        ({"backoff": inf}, "backoff must be a number of at least 1"),
        ({"delay": HOUR}, "max_delay must not be below delay"),
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, object], words: str) -> None:
    """A policy that could not be followed is refused where it is written."""
    with pytest.raises(DefinitionError, match=words):
        Retry(**given)  # pyright: ignore[reportArgumentType] - a test's


def test_all_that_makes_no_sense_is_told_at_once() -> None:
    """Several problems of one policy are told together."""
    with pytest.raises(DefinitionError, match="attempts .*; delay "):
        Retry(attempts=0, delay=-SECOND)


@pytest.mark.parametrize("fatal", [ValueError, ["ValueError"], (ValueError(),)])
def test_fatal_are_classes_of_exceptions(fatal: object) -> None:
    """Whoever names no classes is told, rather than when the function fails."""
    with pytest.raises(DefinitionError, match="fatal must be a list of exceptions"):
        Retry(fatal=cast("Sequence[type[BaseException]]", fatal))


def test_fatal_may_be_any_exceptions() -> None:
    """Several classes may be fatal, those that are no Exception included."""
    assert Retry(fatal=[ValueError, KeyboardInterrupt]).fatal == [
        ValueError,
        KeyboardInterrupt,
    ]
