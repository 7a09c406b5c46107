"""What is understood and not done, or not to be had at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flowstone.core.errors.root import FlowstoneError, at

__all__ = [
    "AlreadyDecided",
    "AlreadyRunning",
    "BadPayload",
    "BadToken",
    "ConfigurationError",
    "NotAllowed",
    "NotSupported",
    "OutOfDate",
    "Refused",
    "RunClosed",
    "Superseded",
]


@dataclass(eq=False, kw_only=True)
class Refused(FlowstoneError):
    """What was asked is understood and not done."""

    reason: str = ""

    def _say(self) -> str:
        return self.reason or "What was asked is not done."


@dataclass(eq=False, kw_only=True)
class AlreadyRunning(Refused):
    """The same asset and key run already, asked for differently."""

    asset: str
    partition: str = "-"
    run_id: str = ""

    def _say(self) -> str:
        return (
            f"{at(self.asset, self.partition)} is running already, as run "
            f"{self.run_id}{', ' + self.reason if self.reason else ''}. "
            "Wait for it, cancel it, or ask for the same."
        )


@dataclass(eq=False, kw_only=True)
class AlreadyDecided(Refused):
    """Somebody, or the deadline, decided before."""

    gate: str
    winner: str = ""

    def _say(self) -> str:
        by = f": {self.winner}" if self.winner else ""
        return f"Gate {self.gate!r} was decided already{by}. The first decision stands."


@dataclass(eq=False, kw_only=True)
class OutOfDate(Refused):
    """A decision was made on versions that are no longer the ones."""

    def _say(self) -> str:
        return (
            self.reason
            or "The decision was made on versions that have been replaced since. "
            "Look at the new ones, and decide again."
        )


@dataclass(eq=False, kw_only=True)
class RunClosed(Refused):
    """The run has ended; nothing can be done to it."""

    run_id: str
    status: str = ""

    def _say(self) -> str:
        how = f" ({self.status})" if self.status else ""
        return (
            f"Run {self.run_id!r} has ended{how}; it takes nothing more. "
            "Start another one."
        )


@dataclass(eq=False, kw_only=True)
class BadToken(Refused):
    """A token is not one of ours, or was changed."""

    def _say(self) -> str:
        return "The token is not valid. Pass ctx.token exactly as it was given."


@dataclass(eq=False, kw_only=True)
class BadPayload(Refused):
    """An answer is not what its asset takes, or too large; the gate stays open."""

    asset: str = ""

    def _say(self) -> str:
        whom = f" of {self.asset!r}" if self.asset else ""
        return (
            f"The answer is not what the gate{whom} takes: {self.reason}. "
            "The gate is still open: send another answer."
        )


@dataclass(eq=False, kw_only=True)
class NotAllowed(Refused):
    """The actor may not do this."""

    def _say(self) -> str:
        return (
            self.reason or "The actor may not do this. Connect as one who may (actor=)."
        )


@dataclass(eq=False, kw_only=True)
class Superseded(Refused):
    """Somebody newer has taken over; late work is dropped."""

    def _say(self) -> str:
        return self.reason or "A newer attempt has taken over; this work is dropped."


@dataclass(eq=False, kw_only=True)
class ConfigurationError(FlowstoneError):
    """The app cannot work as it is configured; all problems at once."""

    problems: Sequence[str]

    def _say(self) -> str:
        if len(self.problems) == 1:
            return self.problems[0]
        lines = "\n".join(f"  - {p}" for p in self.problems)
        return f"{len(self.problems)} problems in the configuration:\n{lines}"


@dataclass(eq=False, kw_only=True)
class NotSupported(FlowstoneError):
    """This engine or this release does not have it."""

    what: str
    instead: str = ""

    def _say(self) -> str:
        hint = f" {self.instead}" if self.instead else ""
        return f"{self.what} is not supported yet.{hint}"
