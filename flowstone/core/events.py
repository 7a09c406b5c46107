"""What happens, by the field's dotted names: one vocabulary for ledger and handlers.

```text
flowstone.run.start             RunStarted           flowstone.run.stop        RunStopped
flowstone.backfill.start        BackfillStarted      flowstone.backfill.stop   BackfillStopped
flowstone.materialization.start MaterializationStarted        .stop  MaterializationStopped
                                                         .exception  MaterializationFailed
flowstone.signal_gate.create    GateOpened           .signal   GateAnswered
                      .timeout  GateExpired          .cancel   GateCancelled
               .timeout_retry   GateExtended
flowstone.checkpoint.requested  ApprovalRequested             .approved  ApprovalGranted
                     .rejected  ApprovalDenied                .timeout   ApprovalExpired
                     .reminder  ApprovalReminded              .escalated ApprovalEscalated
                   .recomputed  ApprovalRecomputed            .cancel    ApprovalCancelled
flowstone.io.load.start         LoadStarted          flowstone.io.load.stop    LoadStopped
flowstone.io.store.start        StoreStarted         flowstone.io.store.stop   StoreStopped
flowstone.schedule.fire         ScheduleFired        flowstone.schedule.error   ScheduleFailed
flowstone.sensor.poll           SensorPolled         flowstone.sensor.error     SensorFailed
flowstone.sensor.trigger        SensorTriggered
flowstone.resources.setup_failed                     ResourceSetupFailed
flowstone.error                 ErrorOccurred
```
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from flowstone.core.approval_events import (
    ApprovalCancelled,
    ApprovalDenied,
    ApprovalEscalated,
    ApprovalExpired,
    ApprovalGranted,
    ApprovalRecomputed,
    ApprovalReminded,
    ApprovalRequested,
)
from flowstone.core.event import COMMON, Event

__all__ = [
    "KINDS",
    "RUN_STARTS",
    "RUN_STOPS",
    "ApprovalCancelled",
    "ApprovalDenied",
    "ApprovalEscalated",
    "ApprovalExpired",
    "ApprovalGranted",
    "ApprovalRecomputed",
    "ApprovalReminded",
    "ApprovalRequested",
    "BackfillStarted",
    "BackfillStopped",
    "ErrorOccurred",
    "Event",
    "GateAnswered",
    "GateCancelled",
    "GateExpired",
    "GateExtended",
    "GateOpened",
    "LoadStarted",
    "LoadStopped",
    "MaterializationFailed",
    "MaterializationStarted",
    "MaterializationStopped",
    "ResourceSetupFailed",
    "RunStarted",
    "RunStopped",
    "ScheduleFailed",
    "ScheduleFired",
    "SensorFailed",
    "SensorPolled",
    "SensorTriggered",
    "StoreStarted",
    "StoreStopped",
    "of_kind",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Event):
    """A run of one key is planned."""

    name: str = "flowstone.run.start"
    verb: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStopped(Event):
    """A run of one key has ended; `outcome` says how, `millis` after how long."""

    name: str = "flowstone.run.stop"
    millis: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillStarted(Event):
    """A backfill is planned, over so many keys."""

    name: str = "flowstone.backfill.start"
    keys: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillStopped(Event):
    """A backfill has ended; `outcome` says how, `millis` after how long."""

    name: str = "flowstone.backfill.stop"
    millis: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MaterializationStarted(Event):
    """A function is called; `attempt` counts the calls that its failures led to."""

    name: str = "flowstone.materialization.start"
    attempt: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MaterializationStopped(Event):
    """An asset has ended without a failure; `outcome` says how.

    Attributes:
        version: the one that was committed.
        millis: how long the function took.
        reason: why it made nothing.
    """

    name: str = "flowstone.materialization.stop"
    attempt: int | None = None
    version: str | None = None
    millis: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MaterializationFailed(Event):
    """An attempt has failed.

    Attributes:
        retryable: whether its retry policy may be asked.
        fingerprint: what it has in common with the same failure at other keys.
    """

    name: str = "flowstone.materialization.exception"
    attempt: int | None = None
    error_type: str | None = None
    error: str | None = None
    retryable: bool | None = None
    fingerprint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GateOpened(Event):
    """An asset waits for an answer, for so long."""

    name: str = "flowstone.signal_gate.create"
    gate: str | None = None
    timeout_millis: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GateAnswered(Event):
    """The answer came, after so long, and is taken in; `winner` says whose it is."""

    name: str = "flowstone.signal_gate.signal"
    gate: str | None = None
    waited_millis: int | None = None
    winner: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GateExpired(Event):
    """No answer came before the deadline."""

    name: str = "flowstone.signal_gate.timeout"
    gate: str | None = None
    waited_millis: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GateExtended(Event):
    """A gate whose deadline has passed is waited at once more; `outcome` says how."""

    name: str = "flowstone.signal_gate.timeout_retry"
    gate: str | None = None
    timeout_millis: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GateCancelled(Event):
    """The run of a gate has ended, so that nobody waits at it any more."""

    name: str = "flowstone.signal_gate.cancel"
    gate: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadStarted(Event):
    """A value is being loaded from the IO manager of that name."""

    name: str = "flowstone.io.load.start"
    io: str | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadStopped(Event):
    """It was loaded (`ok`), or not (`failed`)."""

    name: str = "flowstone.io.load.stop"
    io: str | None = None
    version: str | None = None
    millis: float | None = None
    bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreStarted(Event):
    """A value is being stored by the IO manager of that name."""

    name: str = "flowstone.io.store.start"
    io: str | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreStopped(Event):
    """It was stored (`ok`), or not (`failed`).

    Attributes:
        millis: how long it took, with all that were stored `together`.
    """

    name: str = "flowstone.io.store.stop"
    io: str | None = None
    version: str | None = None
    millis: float | None = None
    bytes: int | None = None
    together: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleFired(Event):
    """A schedule has fired, and said which partition is to be made."""

    name: str = "flowstone.schedule.fire"
    schedule: str | None = None
    scheduled_at: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleFailed(Event):
    """A schedule has fired, and which partition that means cannot be told."""

    name: str = "flowstone.schedule.error"
    schedule: str | None = None
    scheduled_at: str | None = None
    why: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorPolled(Event):
    """A sensor has looked, or was put off; `outcome` says what came of it."""

    name: str = "flowstone.sensor.poll"
    sensor: str | None = None
    found: int | None = None
    started: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorTriggered(Event):
    """A sensor has found a piece of news, and its run has a row."""

    name: str = "flowstone.sensor.trigger"
    sensor: str | None = None
    trigger: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorFailed(Event):
    """A sensor's check has failed; the next looks are put off."""

    name: str = "flowstone.sensor.error"
    sensor: str | None = None
    why: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceSetupFailed(Event):
    """A resource did not open, so that a function was not called."""

    name: str = "flowstone.resources.setup_failed"
    resource: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorOccurred(Event):
    """Somebody should look: an asset failed for good, or nobody can make it."""

    name: str = "flowstone.error"
    why: str | None = None
    error_type: str | None = None
    retryable: bool | None = None


_KINDS: tuple[type[Event], ...] = (
    RunStarted,
    RunStopped,
    BackfillStarted,
    BackfillStopped,
    MaterializationStarted,
    MaterializationStopped,
    MaterializationFailed,
    GateOpened,
    GateAnswered,
    GateExpired,
    GateExtended,
    GateCancelled,
    ApprovalRequested,
    ApprovalGranted,
    ApprovalDenied,
    ApprovalExpired,
    ApprovalReminded,
    ApprovalEscalated,
    ApprovalRecomputed,
    ApprovalCancelled,
    LoadStarted,
    LoadStopped,
    StoreStarted,
    StoreStopped,
    ScheduleFired,
    ScheduleFailed,
    SensorPolled,
    SensorTriggered,
    SensorFailed,
    ResourceSetupFailed,
    ErrorOccurred,
)

KINDS: Mapping[str, type[Event]] = {
    str(next(f.default for f in fields(kind) if f.name == "name")): kind
    for kind in _KINDS
}
"""The class of each dotted name."""

RUN_STARTS = frozenset({"flowstone.run.start", "flowstone.backfill.start"})
RUN_STOPS = frozenset({"flowstone.run.stop", "flowstone.backfill.stop"})


def of_kind(event: Event) -> Event:
    """Give an event as its own kind, with the facts that it has there.

    Args:
        event: of whatever class, its facts in `extra`.
    """
    kind = KINDS.get(event.name)
    if kind is None:
        return event
    own = {f.name for f in fields(kind)} - COMMON
    facts: dict[str, Any] = {k: v for k, v in event.data.items() if k in own}
    return kind(
        asset=event.asset,
        key=event.key,
        run=event.run,
        outcome=event.outcome,
        at=event.at,
        extra={k: v for k, v in event.data.items() if k not in own},
        **facts,
    )
