"""What a function may return besides its value, and raise to steer its retries."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Literal, cast

import pytest

from flowstone.core.outcome import (
    Approval,
    Cancelled,
    Fatal,
    RetryAfter,
    Signal,
    Skip,
    Snooze,
)

HOUR = timedelta(hours=1)


def test_outcomes_can_be_compared_in_a_test() -> None:
    """What a function returned is equal to what it should have returned."""
    assert Approval(5, message="large") == Approval(5, message="large")
    assert Signal(timeout=HOUR) == Signal(timeout=HOUR, on_timeout="fail")
    assert Skip("no news") != Skip()
    assert Snooze(HOUR) == Snooze(timedelta(minutes=60))


def test_an_outcome_may_say_of_what() -> None:
    """A type checker can be told what a suspension brings."""
    assert Signal[int](timeout=HOUR) == Signal(timeout=HOUR)
    assert Approval[int](5) == Approval(5)


def test_a_wish_to_be_asked_again_says_when() -> None:
    """The wait is in the exception, and in its message where it has no other."""
    assert RetryAfter(HOUR).delay == HOUR
    assert str(RetryAfter(HOUR)) == "asked to be retried after 1:00:00"
    assert str(RetryAfter(HOUR, "too many calls")) == "too many calls"


NONSENSE: list[tuple[Callable[[], object], type[Exception], str]] = [
    (lambda: Snooze(cast("timedelta", 5)), TypeError, "Snooze.* takes a timedelta"),
    (lambda: Skip(cast("str", 5)), TypeError, "Skip.* takes a str, not 5"),
    (lambda: Signal[int](timeout=cast("timedelta", 5)), TypeError, "takes a timedelta"),
    (lambda: Signal[int](timeout=timedelta.max), ValueError, "at most a hundred years"),
    (
        lambda: Signal[int](on_timeout=cast("Literal['fail']", "explode")),
        ValueError,
        "on_timeout='explode'",
    ),
    (lambda: RetryAfter(cast("timedelta", 5)), TypeError, "takes a timedelta"),
]


@pytest.mark.parametrize(("make", "kind", "words"), NONSENSE)
def test_an_outcome_that_makes_no_sense_is_refused(
    make: Callable[[], object], kind: type[Exception], words: str
) -> None:
    """Whoever asks for nonsense is told where it is asked for."""
    with pytest.raises(kind, match=words):
        make()


def test_a_wait_may_be_over_already() -> None:
    """A wait until an instant in the past is none, and makes sense."""
    assert Signal(timeout=-HOUR).timeout == -HOUR
    assert Snooze(-HOUR).delay == RetryAfter(-HOUR).delay == -HOUR


def test_cancellation_is_not_swallowed() -> None:
    """`except Exception` in a function catches a failure, and no cancellation."""
    assert issubclass(Fatal, Exception)
    assert issubclass(RetryAfter, Exception)
    assert not issubclass(Cancelled, Exception)
