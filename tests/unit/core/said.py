"""What every error says, word for word."""

from __future__ import annotations

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

__all__ = ["FAILED", "SAID"]

FAILED = AssetFailed(
    asset="raw",
    partition="2025-01-15",
    error_type="ValueError",
    error="no rows",
    attempts=3,
    details="Traceback ...",
    run_id="r1",
)
SAID: list[tuple[FlowstoneError, str]] = [
    (FlowstoneError(), "FlowstoneError"),
    (DefinitionError(), "It is not well formed."),
    (DefinitionError(reason="No name."), "No name."),
    (
        DefinitionError(problems=(BadRoute(asset="r", reason="no branch."),)),
        "The route of 'r' is not valid: no branch.",
    ),
    (
        DefinitionError(
            problems=(DefinitionError(reason="A."), DefinitionError(reason="B."))
        ),
        "2 problems in the definition:\n  - A.\n  - B.",
    ),
    (
        BadRoute(asset="r", reason="no such branch."),
        "The route of 'r' is not valid: no such branch.",
    ),
    (
        DuplicateAsset(asset="raw"),
        "Two assets are named 'raw'. Rename one, or give one of them name=...",
    ),
    (
        UnknownAsset(asset="rwa", known=("raw", "report")),
        "There is no asset 'rwa'. Did you mean 'raw'? Known are: raw, report.",
    ),
    (UnknownAsset(asset="x"), "There is no asset 'x'. Known are: none."),
    (
        UnknownAsset(asset="zebra", needed_by="report", parameter="zebra"),
        "'report' needs 'zebra', which is not in the pipeline. "
        "Add it to Pipeline(...), or rename the parameter.",
    ),
    (
        UnknownAsset(asset="rwa", needed_by="report", parameter="left", known=("raw",)),
        "'report' needs 'rwa' (its parameter 'left'), which is not in the pipeline. "
        "Did you mean 'raw'? Add it to Pipeline(...), or rename the parameter.",
    ),
    (
        CyclicPipeline(path=("a", "b", "a")),
        "Assets need each other in a circle: a → b → a. Take one of these needs out.",
    ),
    (
        BadCompanion(asset="a", companion="on_signal", reason="no payload."),
        "The companion 'on_signal' of 'a' cannot be used: no payload.",
    ),
    (
        BadPartition(partition="1.5", reason="a float."),
        "1.5 cannot be a partition: a float.",
    ),
    (RunError(), "The run failed."),
    (RunError(run_id="r1"), "Run 'r1' failed."),
    (RunError(run_id="r1", reason="3 of 4 failed."), "3 of 4 failed."),
    (FAILED, "'raw' @ 2025-01-15 failed after 3 attempts: ValueError: no rows"),
    (
        AssetFailed(asset="raw", error_type="OSError", error="gone"),
        "'raw' failed: OSError: gone",
    ),
    (
        UpstreamFailed(asset="report", upstream="raw"),
        "'report' was not attempted: its upstream 'raw' failed.",
    ),
    (
        UpstreamFailed(asset="report", upstream="raw", cause=FAILED),
        "'report' was not attempted: its upstream 'raw' failed. "
        "'raw' @ 2025-01-15 failed after 3 attempts: ValueError: no rows",
    ),
    (
        UpstreamMissing(asset="report", missing=("a", "b")),
        "'report' needs 'a', 'b', which was never made for this key. "
        "Materialize it first, or use materialize_all.",
    ),
    (
        ScatterFailed(asset="s", reason="5 of 9."),
        "'s' failed: more of its items failed than it tolerates: 5 of 9. "
        "redrive() runs only what failed.",
    ),
    (
        BranchFailed(asset="b"),
        "A branch that 'b' requires failed. Give it required=False to go on without it.",
    ),
    (
        ApprovalRejected(asset="a", reason="too large."),
        "'a' was rejected: too large. Materialize it again to ask anew.",
    ),
    (
        GateTimedOut(asset="a", partition="k", waited_seconds=1.5),
        "'a' @ k waited 1.5 s for a signal that did not come. "
        "Give Signal(timeout=...) more time, or decide in .on_timeout.",
    ),
    (
        ResourceUnavailable(
            asset="a", resource="db", error_type="OSError", error="It is down."
        ),
        "'a' was not called: its resource 'db' did not open: OSError: It is down. "
        "`flowstone doctor` tells how it is now.",
    ),
    (
        ResourceUnavailable(
            asset="a", partition="k", resource="db", error_type="OSError", attempts=3
        ),
        "'a' @ k was not called: its resource 'db' did not open in 3 attempts: "
        "OSError. `flowstone doctor` tells how it is now.",
    ),
    (RunCancelled(run_id="r1"), "Run 'r1' was cancelled."),
    (RunCancelled(reason="Ended by hand."), "Ended by hand."),
    (
        WorkerLost(asset="a", times=5),
        "'a' was running on 5 workers that were lost, one after the other. "
        "Look for memory exhaustion or a crash in native code.",
    ),
    (StoreError(), "A value could not be kept or read."),
    (StoreError(reason="The disk is full."), "The disk is full."),
    (
        ValueNotFound(asset="a", partition="k"),
        "There is no value of 'a' @ k. It was never made; materialize it first.",
    ),
    (
        ValueNotFound(asset="a", reason="It is gone."),
        "There is no value of 'a'. It is gone.",
    ),
    (
        CodecError(type_name="set", reason="use a list."),
        "A value of type 'set' does not fit: use a list.",
    ),
    (
        CodecError(type_name="set", asset="a", reason="use a list."),
        "A value of type 'set' of 'a' does not fit: use a list.",
    ),
    (
        UnknownRun(run_id="r1"),
        "There is no run 'r1'. `runs list` shows those there are.",
    ),
    (
        UnknownDelivery(delivery="d"),
        "There is no delivery 'd'. `gates deliveries` shows those that are kept.",
    ),
    (
        BadPayload(asset="report", reason="it is no JSON"),
        "The answer is not what the gate of 'report' takes: it is no JSON. "
        "The gate is still open: send another answer.",
    ),
    (
        UnknownGate(gate="g"),
        "There is no gate 'g'. `gates list` shows those that wait.",
    ),
    (
        UnknownSchedule(name="daily"),
        "There is no schedule 'daily'. `schedules list` shows those there are.",
    ),
    (Refused(), "What was asked is not done."),
    (Refused(reason="Not today."), "Not today."),
    (
        AlreadyRunning(asset="a", run_id="r1"),
        "'a' is running already, as run r1. Wait for it, cancel it, or ask for the same.",
    ),
    (
        AlreadyRunning(asset="a", partition="k", run_id="r1", reason="with 'always'"),
        "'a' @ k is running already, as run r1, with 'always'. "
        "Wait for it, cancel it, or ask for the same.",
    ),
    (
        AlreadyDecided(gate="g"),
        "Gate 'g' was decided already. The first decision stands.",
    ),
    (
        AlreadyDecided(gate="g", winner="ada"),
        "Gate 'g' was decided already: ada. The first decision stands.",
    ),
    (
        OutOfDate(),
        "The decision was made on versions that have been replaced since. "
        "Look at the new ones, and decide again.",
    ),
    (
        RunClosed(run_id="r1", status="failed"),
        "Run 'r1' has ended (failed); it takes nothing more. Start another one.",
    ),
    (
        RunClosed(run_id="r1"),
        "Run 'r1' has ended; it takes nothing more. Start another one.",
    ),
    (BadToken(), "The token is not valid. Pass ctx.token exactly as it was given."),
    (NotAllowed(), "The actor may not do this. Connect as one who may (actor=)."),
    (Superseded(), "A newer attempt has taken over; this work is dropped."),
    (ConfigurationError(problems=("No ledger.",)), "No ledger."),
    (
        ConfigurationError(problems=("No ledger.", "No keys.")),
        "2 problems in the configuration:\n  - No ledger.\n  - No keys.",
    ),
    (NotSupported(what="@route"), "@route is not supported yet."),
    (
        NotSupported(what="@route", instead="Return Skip(...)."),
        "@route is not supported yet. Return Skip(...).",
    ),
]
