"""Why a run did not give what was asked of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from flowstone.core.errors.root import FlowstoneError, at

__all__ = [
    "ApprovalRejected",
    "AssetFailed",
    "BranchFailed",
    "GateTimedOut",
    "ResourceUnavailable",
    "RunCancelled",
    "RunError",
    "ScatterFailed",
    "UpstreamFailed",
    "UpstreamMissing",
    "WorkerLost",
]

_PLACE = re.compile(r'^ *File ".*?([^/\\"]+)", line (\d+), in (.+)$', re.MULTILINE)
"""A line of a traceback: the file, without its folder, the line and the function."""


@dataclass(eq=False, kw_only=True)
class RunError(FlowstoneError):
    """A run did not give what was asked of it."""

    reason: str = ""
    run_id: str = ""

    def _say(self) -> str:
        if self.reason:
            return self.reason
        return f"Run {self.run_id!r} failed." if self.run_id else "The run failed."

    def _because(self) -> str:
        if not self.reason:
            return "."
        ended = self.reason.endswith((".", "!", "?"))
        return f": {self.reason}" if ended else f": {self.reason}."


@dataclass(eq=False, kw_only=True)
class AssetFailed(RunError):
    """A function raised, and its retries are used up; `details` has the traceback."""

    asset: str
    partition: str = "-"
    error_type: str = ""
    error: str = ""
    attempts: int = 1
    details: str = ""

    @property
    def fingerprint(self) -> str:
        """What failures have in common that are the same at several keys.

        It follows from the asset, the class of what was raised and the places that it
        came through; what was said does not matter.
        """
        places = [":".join(place) for place in _PLACE.findall(self.details)]
        same = "\n".join([self.asset, self.error_type, *places])
        return sha256(same.encode()).hexdigest()[:12]

    def _say(self) -> str:
        times = f" after {self.attempts} attempts" if self.attempts > 1 else ""
        return (
            f"{at(self.asset, self.partition)} failed{times}: "
            f"{self.error_type}: {self.error}"
        )


@dataclass(eq=False, kw_only=True)
class UpstreamFailed(RunError):
    """An asset was not attempted, because what it needs failed in the same run."""

    asset: str
    partition: str = "-"
    upstream: str = ""
    cause: RunError | None = None

    def _say(self) -> str:
        why = f" {self.cause.message}" if self.cause else ""
        return (
            f"{at(self.asset, self.partition)} was not attempted: its upstream "
            f"{self.upstream!r} failed.{why}"
        )


@dataclass(eq=False, kw_only=True)
class UpstreamMissing(RunError):
    """Needed values do not exist, and the verb does not make them."""

    asset: str
    partition: str = "-"
    missing: Sequence[str] = ()

    def _say(self) -> str:
        names = ", ".join(repr(m) for m in self.missing)
        return (
            f"{at(self.asset, self.partition)} needs {names}, which was never made "
            "for this key. Materialize it first, or use materialize_all."
        )


@dataclass(eq=False, kw_only=True)
class ScatterFailed(RunError):
    """More items of a scatter failed than it tolerates."""

    asset: str
    partition: str = "-"

    def _say(self) -> str:
        return (
            f"{at(self.asset, self.partition)} failed: more of its items failed than "
            f"it tolerates{self._because()} redrive() runs only what failed."
        )


@dataclass(eq=False, kw_only=True)
class BranchFailed(RunError):
    """A branch that is required failed."""

    asset: str
    partition: str = "-"

    def _say(self) -> str:
        return (
            f"A branch that {at(self.asset, self.partition)} requires failed"
            f"{self._because()} Give it required=False to go on without it."
        )


@dataclass(eq=False, kw_only=True)
class ApprovalRejected(RunError):
    """Somebody said no, or the deadline did; `winner` says who, `reason` why."""

    asset: str
    partition: str = "-"
    winner: str = ""

    def _say(self) -> str:
        rejected = self.winner or "rejected"
        return (
            f"{at(self.asset, self.partition)} was {rejected}{self._because()} "
            "Materialize it again to ask anew."
        )


@dataclass(eq=False, kw_only=True)
class GateTimedOut(RunError):
    """No answer came before the deadline."""

    asset: str
    partition: str = "-"
    waited_seconds: float = 0.0

    def _say(self) -> str:
        return (
            f"{at(self.asset, self.partition)} waited {self.waited_seconds:g} s for a "
            "signal that did not come. Give Signal(timeout=...) more time, or decide "
            "in .on_timeout."
        )


@dataclass(eq=False, kw_only=True)
class ResourceUnavailable(RunError):
    """A resource did not open, however often it was tried.

    `error_type` and `error` are those of its setup; `details` has the traceback.
    """

    asset: str
    partition: str = "-"
    resource: str = ""
    error_type: str = ""
    error: str = ""
    attempts: int = 1
    details: str = ""

    def _say(self) -> str:
        times = f" in {self.attempts} attempts" if self.attempts > 1 else ""
        why = ": ".join(filter(None, (self.error_type, self.error.rstrip("."))))
        return (
            f"{at(self.asset, self.partition)} was not called: its resource "
            f"{self.resource!r} did not open{times}: {why}. `flowstone doctor` tells "
            "how it is now."
        )


@dataclass(eq=False, kw_only=True)
class RunCancelled(RunError):
    """The run was cancelled, or ended by hand."""

    def _say(self) -> str:
        return self.reason or f"Run {self.run_id!r} was cancelled."


@dataclass(eq=False, kw_only=True)
class WorkerLost(RunError):
    """An asset took down every worker that tried it."""

    asset: str
    partition: str = "-"
    times: int = 0

    def _say(self) -> str:
        return (
            f"{at(self.asset, self.partition)} was running on {self.times} workers "
            "that were lost, one after the other. Look for memory exhaustion or a "
            "crash in native code."
        )
