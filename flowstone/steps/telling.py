"""Say of cells what has happened to them, in the words of events."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TypedDict

from flowstone.core.approval_events import ApprovalRequested
from flowstone.core.errors import AssetFailed, FlowstoneError, ResourceUnavailable
from flowstone.core.events import (
    Event,
    GateExtended,
    GateOpened,
    MaterializationFailed,
    MaterializationStarted,
    MaterializationStopped,
    ResourceSetupFailed,
)
from flowstone.ledger.base import Attempt, Holding, Wanted
from flowstone.steps.invoke import shown
from flowstone.steps.toolbox import Job

__all__ = ["Teller"]

_SHOWN = 500
"""Characters of a text that its event repeats; the ledger has all of it."""


class _Place(TypedDict):
    """Where and when something happened, as every event says it."""

    asset: str
    key: str
    run: str
    at: datetime


class Teller:
    """Makes the events of a run's cells; whoever asks records them.

    Args:
        job: the run.
    """

    def __init__(self, job: Job) -> None:
        self._job = job

    def started(self, want: Wanted) -> Event:
        """Tell that a function is called."""
        return MaterializationStarted(**self._place(want), attempt=want.number)

    def produced(self, want: Wanted, attempt: Attempt, millis: int) -> Event:
        """Tell of a value; `millis` is negative where nobody knows them."""
        return MaterializationStopped(
            **self._place(want),
            outcome="produced",
            attempt=want.number,
            version=attempt.id,
            millis=None if millis < 0 else millis,
        )

    def published(self, want: Wanted, version: str) -> Event:
        """Tell of a value that was held back until now."""
        return MaterializationStopped(
            **self._place(want),
            outcome="produced",
            attempt=want.number,
            version=version,
        )

    def stopped(self, want: Wanted, outcome: str, reason: str) -> Event:
        """Tell of an attempt that has ended without a value, and without a failure."""
        return MaterializationStopped(
            **self._place(want),
            outcome=outcome,
            attempt=want.number,
            reason=shown(reason, _SHOWN) or None,
        )

    def failed(self, want: Wanted, error: FlowstoneError, *, retryable: bool) -> Event:
        """Tell of an attempt that has failed."""
        raised = isinstance(error, AssetFailed | ResourceUnavailable)
        return MaterializationFailed(
            **self._place(want),
            outcome="failed",
            attempt=want.number,
            error_type=error.error_type if raised else type(error).__name__,
            error=shown(error.error if raised else str(error), _SHOWN),
            retryable=retryable,
            fingerprint=error.fingerprint if isinstance(error, AssetFailed) else None,
        )

    def waits(self, holding: Holding) -> Event:
        """Tell of a wait at a gate: a first one, or once more at the same."""
        seconds, want = holding.timeout_seconds, holding.wanted
        if holding.made is not None:
            return ApprovalRequested(
                **self._place(want),
                outcome="held",
                approval=holding.gate,
                message=shown(holding.message, _SHOWN) or None,
                timeout_millis=None if seconds is None else round(seconds * 1000),
                version=holding.made.attempt.id,
            )
        kind = GateExtended if want.gate else GateOpened
        return kind(
            **self._place(want),
            outcome="held",
            gate=holding.gate,
            timeout_millis=None if seconds is None else round(seconds * 1000),
        )

    def no_resource(self, want: Wanted, error: ResourceUnavailable) -> Event:
        """Tell that a function was not called, as a resource did not open."""
        return ResourceSetupFailed(
            **self._place(want),
            outcome="unavailable",
            resource=error.resource,
            error=shown(f"{error.error_type}: {error.error}", _SHOWN),
        )

    def _place(self, want: Wanted) -> _Place:
        return _Place(
            asset=self._job.plan.nodes[want.node].asset,
            key=want.key,
            run=self._job.run.id,
            at=datetime.now(UTC),
        )
