"""What a function may return besides its value, and raise to steer its retries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, Literal, TypeVar

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


@dataclass(frozen=True, slots=True)
class Skip:
    """Make nothing this time, and say why; who needs the value is skipped too."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Snooze:
    """Ask again later; it counts as no failure and as no attempt."""

    delay: timedelta


class Fatal(Exception):
    """Raise it when trying again is of no use."""


class RetryAfter(Exception):
    """Raise it to be asked again after a time you know.

    It counts as an attempt where the asset declares a `retry`; where it declares
    none, the wish is granted as often as it is raised.
    """

    def __init__(self, delay: timedelta, message: str = "") -> None:
        super().__init__(message or f"asked to be retried after {delay}")
        self.delay = delay


class Cancelled(BaseException):
    """The run was cancelled; it is raised out of the context's blocking calls.

    A `BaseException`, so that `except Exception` in your code does not swallow it.
    """
