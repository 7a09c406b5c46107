"""Data assets first, every run durable.

Importing this is cheap: the heavy parts come with their first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from flowstone.core.asset import Asset, asset, parallel, route, scatter, scatter_batches
from flowstone.core.errors import (
    AlreadyDecided,
    AlreadyRunning,
    ApprovalRejected,
    AssetFailed,
    BadCompanion,
    BadPartition,
    BadPayload,
    BadRoute,
    BadToken,
    BranchFailed,
    CodecError,
    ConfigurationError,
    CyclicPipeline,
    DefinitionError,
    DuplicateAsset,
    FlowstoneError,
    GateTimedOut,
    LookupFailed,
    NotAllowed,
    NotSupported,
    OutOfDate,
    Refused,
    ResourceUnavailable,
    RunCancelled,
    RunClosed,
    RunError,
    ScatterFailed,
    StoreError,
    Superseded,
    UnknownAsset,
    UnknownDelivery,
    UnknownGate,
    UnknownRun,
    UnknownSchedule,
    UpstreamFailed,
    UpstreamMissing,
    ValueNotFound,
    WorkerLost,
)
from flowstone.core.outcome import (
    Approval,
    Cancelled,
    Fatal,
    RetryAfter,
    Signal,
    Skip,
    Snooze,
)
from flowstone.core.pipeline import Pipeline
from flowstone.core.policy import HOUR, MINUTE, SECOND, Retry
from flowstone.core.ref import Key
from flowstone.core.schedule import Schedule, previous_day, previous_hour, same_day
from flowstone.core.sensor import Found, Sensor, Trigger
from flowstone.core.space import (
    daily,
    dynamic,
    hourly,
    monthly,
    one_of,
    product,
    single,
    weekly,
)

if TYPE_CHECKING:
    from flowstone.app import Flowstone
    from flowstone.checks import S3NewObjects, S3Object, SqlChange
    from flowstone.client import Client
    from flowstone.core.partition import PartitionKey as Partition
    from flowstone.io.base import IOManager, Slot, Stored
    from flowstone.io.memory import MemoryIO
    from flowstone.io.parquet import ParquetIO
    from flowstone.io.postgres import PostgresIO
    from flowstone.io.s3 import S3IO
    from flowstone.ledger.sql import SqlLedger
    from flowstone.resources import Resource
    from flowstone.run import BackfillReport, Outcome, Progress, Run
    from flowstone.settings import Secrets
    from flowstone.steps.context import Context

__all__ = [
    "HOUR",
    "MINUTE",
    "S3IO",
    "SECOND",
    "AlreadyDecided",
    "AlreadyRunning",
    "Approval",
    "ApprovalRejected",
    "Asset",
    "AssetFailed",
    "BackfillReport",
    "BadCompanion",
    "BadPartition",
    "BadPayload",
    "BadRoute",
    "BadToken",
    "BranchFailed",
    "Cancelled",
    "Client",
    "CodecError",
    "ConfigurationError",
    "Context",
    "CyclicPipeline",
    "DefinitionError",
    "DuplicateAsset",
    "Fatal",
    "Flowstone",
    "FlowstoneError",
    "Found",
    "GateTimedOut",
    "IOManager",
    "Key",
    "LookupFailed",
    "MemoryIO",
    "NotAllowed",
    "NotSupported",
    "OutOfDate",
    "Outcome",
    "ParquetIO",
    "Partition",
    "Pipeline",
    "PostgresIO",
    "Progress",
    "Refused",
    "Resource",
    "ResourceUnavailable",
    "Retry",
    "RetryAfter",
    "Run",
    "RunCancelled",
    "RunClosed",
    "RunError",
    "S3NewObjects",
    "S3Object",
    "ScatterFailed",
    "Schedule",
    "Secrets",
    "Sensor",
    "Signal",
    "Skip",
    "Slot",
    "Snooze",
    "SqlChange",
    "SqlLedger",
    "StoreError",
    "Stored",
    "Superseded",
    "Trigger",
    "UnknownAsset",
    "UnknownDelivery",
    "UnknownGate",
    "UnknownRun",
    "UnknownSchedule",
    "UpstreamFailed",
    "UpstreamMissing",
    "ValueNotFound",
    "WorkerLost",
    "asset",
    "daily",
    "dynamic",
    "hourly",
    "monthly",
    "one_of",
    "parallel",
    "previous_day",
    "previous_hour",
    "product",
    "route",
    "same_day",
    "scatter",
    "scatter_batches",
    "single",
    "weekly",
]

_HOMES = {
    "BackfillReport": "run",
    "Client": "client",
    "Context": "steps.context",
    "Flowstone": "app",
    "IOManager": "io.base",
    "MemoryIO": "io.memory",
    "Outcome": "run",
    "ParquetIO": "io.parquet",
    "Partition": "core.partition",
    "PostgresIO": "io.postgres",
    "Progress": "run",
    "Resource": "resources",
    "Run": "run",
    "S3IO": "io.s3",
    "S3NewObjects": "checks.s3",
    "S3Object": "checks.s3",
    "Secrets": "settings",
    "Slot": "io.base",
    "SqlChange": "checks.sql",
    "SqlLedger": "ledger.sql",
    "Stored": "io.base",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")  # noqa: EM102
    real = "PartitionKey" if name == "Partition" else name
    return getattr(import_module(f"flowstone.{home}"), real)
