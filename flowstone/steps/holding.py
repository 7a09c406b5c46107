"""What an asset that waits asks for, in the ledger's words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from flowstone.core.errors import NotAllowed
from flowstone.core.outcome import Approval, Signal
from flowstone.ledger.base import Holding, Making
from flowstone.ledger.gates import Gates
from flowstone.steps.invoke import Invocation, shown

__all__ = ["for_approval", "for_signal", "taken"]

Reads = Sequence[tuple[str, str]]


def for_signal(
    what: Invocation, signal: Signal[object], gate: str, reads: Reads
) -> Holding:
    """Have a cell wait for a signal."""
    wait = signal.timeout
    # Where there is a companion, it decides.
    decides = "on_timeout" in what.asset.companions
    return Holding(
        wanted=what.want,
        attempt=what.attempt,
        gate=gate,
        timeout_seconds=None if wait is None else wait.total_seconds(),
        on_timeout="companion" if decides else signal.on_timeout,
        reads=reads,
        extensions=signal.extensions,
        outside=signal.key,
    )


def taken(
    gates: Gates, what: Invocation, signal: Signal[object], gate: str
) -> NotAllowed | None:
    """Refuse an outside id with which another gate of the asset waits already."""
    if signal.key is None or not gates.is_taken(what.want.asset, signal.key, gate):
        return None
    return NotAllowed(
        reason=f"Another gate of {what.asset.name!r} waits with "
        f"Signal(key={shown(signal.key)!r}) already: one id is answered once. Give "
        "each wait an id of its own."
    )


def for_approval(
    what: Invocation, approval: Approval[object], gate: str, made: Making
) -> Holding:
    """Have a cell wait for a decision on a value that was written.

    Raises:
        TypeError: its message is no text.
    """
    message = cast("object", approval.message)  # whatever a user gave
    if not isinstance(message, str):
        told = f"Approval(message=...) takes a str, not {message!r}"
        raise TypeError(told)
    wait = approval.timeout
    return Holding(
        wanted=what.want,
        attempt=what.attempt,
        gate=gate,
        timeout_seconds=None if wait is None else wait.total_seconds(),
        on_timeout=approval.on_timeout,
        reads=made.reads,
        made=made,
        message=shown(message),
        reminders=[delay.total_seconds() for delay in approval.remind],
        escalate_to=shown(approval.escalate_to or ""),
    )
