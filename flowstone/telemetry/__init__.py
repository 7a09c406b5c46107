"""Telemetry: handlers are told what happens, when it has happened.

`attach` a handler, such as `log_events`; `flowstone.telemetry.otel` has one that makes
spans of OpenTelemetry. What is exact, and can be asked for later, is in the ledger:
`run.events()`.
"""

from flowstone.core.events import (
    BackfillStarted,
    BackfillStopped,
    ErrorOccurred,
    Event,
    GateAnswered,
    GateCancelled,
    GateExpired,
    GateExtended,
    GateOpened,
    LoadStarted,
    LoadStopped,
    MaterializationFailed,
    MaterializationStarted,
    MaterializationStopped,
    ResourceSetupFailed,
    RunStarted,
    RunStopped,
    StoreStarted,
    StoreStopped,
)
from flowstone.telemetry.handlers import PROCESS, Handler, Handlers, attach, detach
from flowstone.telemetry.logs import JsonFormatter, log_as_json, log_events

__all__ = [
    "PROCESS",
    "BackfillStarted",
    "BackfillStopped",
    "ErrorOccurred",
    "Event",
    "GateAnswered",
    "GateCancelled",
    "GateExpired",
    "GateExtended",
    "GateOpened",
    "Handler",
    "Handlers",
    "JsonFormatter",
    "LoadStarted",
    "LoadStopped",
    "MaterializationFailed",
    "MaterializationStarted",
    "MaterializationStopped",
    "ResourceSetupFailed",
    "RunStarted",
    "RunStopped",
    "StoreStarted",
    "StoreStopped",
    "attach",
    "detach",
    "log_as_json",
    "log_events",
]
