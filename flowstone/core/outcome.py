"""What a function may return besides its value, and raise to steer its retries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, Literal, TypeVar, get_args

__all__ = ["Approval", "Cancelled", "Fatal", "RetryAfter", "Signal", "Skip", "Snooze"]

T = TypeVar("T")

GateTimeout = Literal["fail", "cancel", "extend", "rerun"]


# Without slots: a frozen class that has them cannot be called as `Signal[int](...)`.
@dataclass(frozen=True)
class Approval(Generic[T]):
    """Hold a value back until somebody has decided on it."""

    value: T
    message: str = ""
    timeout: timedelta | None = None
    on_timeout: Literal["reject", "approve", "escalate"] = "reject"
    escalate_to: str | None = None
    remind: Sequence[timedelta] = ()


@dataclass(frozen=True)
class Signal(Generic[T]):
    """Wait for an answer from outside; the value is what it brings.

    The answer is given to the asset's `.on_signal`, or is the value where there is
    none. Hand `ctx.token` to whoever is to answer before returning this.

    Attributes:
        timeout: how long to wait; `None` waits for ever.
        key: the outside world's own id for the answer.
        on_timeout: what happens at the deadline where there is no `.on_timeout`.
    """

    timeout: timedelta | None = None
    key: str | None = None
    on_timeout: GateTimeout = "fail"

    def __post_init__(self) -> None:
        if self.timeout is not None:
            _check_span("Signal(timeout=...)", self.timeout)
        if self.on_timeout not in get_args(GateTimeout):
            message = (
                f"Signal(on_timeout={self.on_timeout!r}) is none of those there are"
            )
            raise ValueError(message)


@dataclass(frozen=True, slots=True)
class Skip:
    """Make nothing this time, and say why; who needs the value is skipped too."""

    reason: str = ""

    def __post_init__(self) -> None:
        _check("Skip(...)", self.reason, str)


@dataclass(frozen=True, slots=True)
class Snooze:
    """Ask again later; it counts as no failure and as no attempt."""

    delay: timedelta

    def __post_init__(self) -> None:
        _check_span("Snooze(...)", self.delay)


class Fatal(Exception):
    """Raise it when trying again is of no use."""


class RetryAfter(Exception):
    """Raise it to be asked again after a time you know.

    It counts as an attempt where the asset declares a `retry`; where it declares
    none, the wish is granted as often as it is raised.
    """

    def __init__(self, delay: timedelta, message: str = "") -> None:
        super().__init__(message or f"asked to be retried after {delay}")
        _check_span("RetryAfter(...)", delay)
        self.delay = delay


class Cancelled(BaseException):
    """The run was cancelled; it is raised out of the context's blocking calls.

    A `BaseException`, so that `except Exception` in your code does not swallow it.
    """


def _check(what: str, given: object, kind: type) -> None:
    if not isinstance(given, kind):
        message = f"{what} takes a {kind.__name__}, not {given!r}"
        raise TypeError(message)


def _check_span(what: str, given: timedelta) -> None:
    _check(what, given, timedelta)
    if given > _LONGEST:
        message = f"{what} takes at most a hundred years, not {given}"
        raise ValueError(message)


_LONGEST = timedelta(days=36_525)
