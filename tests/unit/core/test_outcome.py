"""What a function may return besides its value, and raise to steer its retries."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Literal, cast
from unittest.mock import ANY

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
DAY = timedelta(days=1)


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


# --- approvals ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "keywords",
    [
        {},
        {"timeout": DAY},
        {"timeout": DAY, "on_timeout": "approve", "message": "look"},
        {"timeout": DAY, "on_timeout": "escalate", "escalate_to": "boss"},
        {"timeout": DAY, "remind": [DAY / 2, DAY / 4]},
        {"remind": (DAY,)},
    ],
)
def test_an_approval_is_had(keywords: dict[str, Any]) -> None:
    """Whatever makes sense can be asked for."""
    assert Approval(1, **keywords) == Approval(1, **keywords)


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"timeout": 5}, "takes a timedelta, not 5"),
        ({"timeout": -DAY}, "still to pass"),
        ({"timeout": 400 * 365 * DAY}, "at most a hundred years"),
        ({"timeout": DAY, "on_timeout": "explode"}, "is none of 'reject', 'approve'"),
        ({"on_timeout": "approve"}, "needs a timeout="),
        ({"timeout": DAY, "on_timeout": "escalate"}, "go together"),
        ({"timeout": DAY, "escalate_to": "boss"}, "go together"),
        ({"timeout": DAY, "escalate_to": 5}, "takes a str, not 5"),
        ({"remind": DAY}, "takes several"),
        ({"remind": [0 * DAY]}, "still to pass"),
        ({"remind": ["soon"]}, "takes a timedelta"),
        ({"timeout": DAY, "remind": [DAY]}, "is not before the deadline"),
    ],
)
def test_an_approval_that_makes_no_sense_is_refused(
    keywords: dict[str, Any], words: str
) -> None:
    """What could not be kept is refused where it is said."""
    with pytest.raises((TypeError, ValueError), match=words):
        Approval(1, **keywords)


def test_an_approval_can_be_compared_with_anything() -> None:
    """A test need not repeat the message."""
    assert Approval(1, message="It is large") == Approval(1, message=ANY)


@pytest.mark.parametrize("extensions", [-1, True, 1.5, "3"])
def test_extensions_are_counted(extensions: Any) -> None:
    """How often a wait is extended is a number from nothing on."""
    with pytest.raises(ValueError, match="counts them from 0"):
        Signal(on_timeout="extend", extensions=extensions)


@pytest.mark.parametrize("key", ["", "x" * 257, "a\0b"])
def test_an_id_of_the_world_is_a_short_text(key: str) -> None:
    """An id that no ledger could keep is refused at once."""
    with pytest.raises(ValueError, match="1 to 256 characters"):
        Signal(key=key)
    with pytest.raises(TypeError, match="takes a str"):
        Signal(key=cast("str", 7))
    assert Signal[int](key="x" * 256).key == "x" * 256
