"""What a function may return besides its value, and raise to steer its retries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, Literal, TypeVar, get_args

__all__ = ["Approval", "Cancelled", "Fatal", "RetryAfter", "Signal", "Skip", "Snooze"]

T = TypeVar("T")

GateTimeout = Literal["fail", "cancel", "extend", "rerun"]
ApprovalTimeout = Literal["reject", "approve", "escalate"]


# Without slots: a frozen class that has them cannot be called as `Signal[int](...)`.
@dataclass(frozen=True)
class Approval(Generic[T]):
    """Hold a value back until somebody has decided on it.

    It is stored, and nobody reads it: `stone.approvals` lists it, and approves it (as
    it is, or with edits) or rejects it. Rejected, the asset fails.

    Attributes:
        value: what is to be decided on.
        message: what the one who decides should know.
        timeout: how long to wait; `None` waits for ever.
        on_timeout: what happens at the deadline.
        escalate_to: who is asked then, once more for as long, before it is rejected.
        remind: when to remind, counted from the opening; each is an event.
    """

    value: T
    message: str = ""
    timeout: timedelta | None = None
    on_timeout: ApprovalTimeout = "reject"
    escalate_to: str | None = None
    remind: Sequence[timedelta] = ()

    def __post_init__(self) -> None:
        # The message is looked at when it is asked: a test may compare it with ANY.
        if self.timeout is not None:
            _check_wait("Approval(timeout=...)", self.timeout)
        _check_word("Approval", self.on_timeout, ApprovalTimeout)
        if self.on_timeout != "reject" and self.timeout is None:
            message = f"Approval(on_timeout={self.on_timeout!r}) needs a timeout="
            raise ValueError(message)
        self._check_escalation()
        self._check_reminders()

    def _check_escalation(self) -> None:
        if self.escalate_to is not None:
            _check("Approval(escalate_to=...)", self.escalate_to, str)
        if (self.on_timeout == "escalate") != bool(self.escalate_to):
            message = (
                "Approval(on_timeout='escalate') and escalate_to= go together; give "
                "both, or neither"
            )
            raise ValueError(message)

    def _check_reminders(self) -> None:
        if isinstance(self.remind, timedelta):
            message = "Approval(remind=...) takes several; write remind=[...]"
            raise TypeError(message)
        for delay in self.remind:
            _check_wait("Approval(remind=...)", delay)
            if self.timeout is not None and delay >= self.timeout:
                message = (
                    f"Approval(remind=...) of {delay} is not before the deadline, "
                    f"after {self.timeout}"
                )
                raise ValueError(message)


@dataclass(frozen=True)
class Signal(Generic[T]):
    """Wait for an answer from outside; the value is what it brings.

    The answer is given to the asset's `.on_signal`, or is the value where there is
    none. Hand `ctx.token` to whoever is to answer before returning this.

    Attributes:
        timeout: how long to wait; `None` waits for ever.
        key: the outside world's own id for the answer.
        on_timeout: what happens at the deadline where there is no `.on_timeout`.
        extensions: how often `"extend"` and `"rerun"` wait once more.
    """

    timeout: timedelta | None = None
    key: str | None = None
    on_timeout: GateTimeout = "fail"
    extensions: int = 3

    def __post_init__(self) -> None:
        if self.timeout is not None:
            _check_span("Signal(timeout=...)", self.timeout)
        _check_word("Signal", self.on_timeout, GateTimeout)
        if self.key is not None:
            _check_id(self.key)
        if type(self.extensions) is not int or self.extensions < 0:
            message = (
                f"Signal(extensions=...) counts them from 0, not {self.extensions!r}"
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


def _check_wait(what: str, given: timedelta) -> None:
    _check_span(what, given)
    if given <= timedelta(0):
        message = f"{what} takes a time that is still to pass, not {given}"
        raise ValueError(message)


def _check_id(given: str) -> None:
    _check("Signal(key=...)", given, str)
    if not 0 < len(given) <= _LONGEST_ID or "\0" in given:
        message = f"Signal(key=...) takes 1 to {_LONGEST_ID} characters"
        raise ValueError(message)


def _check_word(noun: str, given: str, words: object) -> None:
    if given not in get_args(words):
        known = ", ".join(repr(word) for word in get_args(words))
        message = f"{noun}(on_timeout={given!r}) is none of {known}"
        raise ValueError(message)


_LONGEST_ID = 256
_LONGEST = timedelta(days=36_525)
