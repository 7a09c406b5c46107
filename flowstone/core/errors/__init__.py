"""One tree of errors; each class builds its message from its data.

```text
FlowstoneError
├── DefinitionError     DuplicateAsset · UnknownAsset · CyclicPipeline · BadRoute
│                       BadCompanion · BadPartition
├── RunError            AssetFailed · UpstreamFailed · UpstreamMissing · ScatterFailed
│                       BranchFailed · ApprovalRejected · GateTimedOut · RunCancelled
│                       WorkerLost · ResourceUnavailable
├── StoreError          ValueNotFound · CodecError
├── LookupFailed        UnknownRun · UnknownGate · UnknownDelivery
│                       UnknownSchedule                             (also LookupError)
├── Refused             AlreadyRunning · AlreadyDecided · OutOfDate · RunClosed
│                       BadToken · BadPayload · NotAllowed · Superseded
├── ConfigurationError  all problems at once
└── NotSupported        a verb or keyword this engine or release does not have
```

An error crosses processes whole: `to_data` gives plain JSON, `from_data` the error.
"""

from __future__ import annotations

from flowstone.core.errors.definition import (
    BadCompanion,
    BadPartition,
    BadRoute,
    CyclicPipeline,
    DefinitionError,
    DuplicateAsset,
    UnknownAsset,
)
from flowstone.core.errors.refusal import (
    AlreadyDecided,
    AlreadyRunning,
    BadPayload,
    BadToken,
    ConfigurationError,
    NotAllowed,
    NotSupported,
    OutOfDate,
    Refused,
    RunClosed,
    Superseded,
)
from flowstone.core.errors.root import Data, FlowstoneError, at, from_data
from flowstone.core.errors.run import (
    ApprovalRejected,
    AssetFailed,
    BranchFailed,
    GateTimedOut,
    ResourceUnavailable,
    RunCancelled,
    RunError,
    ScatterFailed,
    UpstreamFailed,
    UpstreamMissing,
    WorkerLost,
)
from flowstone.core.errors.store import (
    CodecError,
    LookupFailed,
    StoreError,
    UnknownDelivery,
    UnknownGate,
    UnknownRun,
    UnknownSchedule,
    ValueNotFound,
)

__all__ = [
    "AlreadyDecided",
    "AlreadyRunning",
    "ApprovalRejected",
    "AssetFailed",
    "BadCompanion",
    "BadPartition",
    "BadPayload",
    "BadRoute",
    "BadToken",
    "BranchFailed",
    "CodecError",
    "ConfigurationError",
    "CyclicPipeline",
    "Data",
    "DefinitionError",
    "DuplicateAsset",
    "FlowstoneError",
    "GateTimedOut",
    "LookupFailed",
    "NotAllowed",
    "NotSupported",
    "OutOfDate",
    "Refused",
    "ResourceUnavailable",
    "RunCancelled",
    "RunClosed",
    "RunError",
    "ScatterFailed",
    "StoreError",
    "Superseded",
    "UnknownAsset",
    "UnknownDelivery",
    "UnknownGate",
    "UnknownRun",
    "UnknownSchedule",
    "UpstreamFailed",
    "UpstreamMissing",
    "ValueNotFound",
    "WorkerLost",
    "at",
    "from_data",
]
