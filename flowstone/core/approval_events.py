"""What happens to approvals; a part of the vocabulary of `events`."""

from __future__ import annotations

from dataclasses import dataclass

from flowstone.core.event import Event

__all__ = [
    "ApprovalCancelled",
    "ApprovalDenied",
    "ApprovalEscalated",
    "ApprovalExpired",
    "ApprovalGranted",
    "ApprovalRecomputed",
    "ApprovalReminded",
    "ApprovalRequested",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRequested(Event):
    """A value is held back until somebody has decided on it.

    Attributes:
        version: the one that is held back.
    """

    name: str = "flowstone.checkpoint.requested"
    approval: str | None = None
    message: str | None = None
    timeout_millis: int | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalGranted(Event):
    """It was approved, after so long; `edited` where it was changed with that."""

    name: str = "flowstone.checkpoint.approved"
    approval: str | None = None
    waited_millis: int | None = None
    winner: str | None = None
    edited: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalDenied(Event):
    """It was rejected, after so long, for a reason."""

    name: str = "flowstone.checkpoint.rejected"
    approval: str | None = None
    waited_millis: int | None = None
    winner: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalExpired(Event):
    """Nobody decided before the deadline, which did: `decision` says what."""

    name: str = "flowstone.checkpoint.timeout"
    approval: str | None = None
    waited_millis: int | None = None
    decision: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalReminded(Event):
    """It is still waited for; `escalated_to` says for whom, where that is known."""

    name: str = "flowstone.checkpoint.reminder"
    approval: str | None = None
    message: str | None = None
    escalated_to: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalEscalated(Event):
    """Somebody else is to decide; `by` says who, or what, thought so."""

    name: str = "flowstone.checkpoint.escalated"
    approval: str | None = None
    message: str | None = None
    escalated_to: str | None = None
    by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRecomputed(Event):
    """Its asset is to be made again, from what its inputs are now."""

    name: str = "flowstone.checkpoint.recomputed"
    approval: str | None = None
    winner: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalCancelled(Event):
    """The run of an approval has ended, so that nothing comes of it any more."""

    name: str = "flowstone.checkpoint.cancel"
    approval: str | None = None
