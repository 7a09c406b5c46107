"""One tree of errors; each class builds its message from its data.

```text
FlowstoneError
├── DefinitionError     DuplicateAsset · UnknownAsset · CyclicPipeline · BadRoute
│                       BadCompanion · BadPartition
├── RunError            AssetFailed · UpstreamFailed · UpstreamMissing · ScatterFailed
│                       BranchFailed · ApprovalRejected · GateTimedOut · RunCancelled
│                       WorkerLost
├── StoreError          ValueNotFound · CodecError
├── LookupFailed        UnknownRun · UnknownGate · UnknownSchedule  (also LookupError)
├── Refused             AlreadyRunning · AlreadyDecided · OutOfDate · RunClosed
│                       BadToken · NotAllowed · Superseded
├── ConfigurationError  all problems at once
└── NotSupported        a verb or keyword this engine or release does not have
```

An error crosses processes whole: `to_data` gives plain JSON, `from_data` the error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import cast

from flowstone.core.text import closest

__all__ = [
    "AlreadyDecided",
    "AlreadyRunning",
    "ApprovalRejected",
    "AssetFailed",
    "BadCompanion",
    "BadPartition",
    "BadRoute",
    "BadToken",
    "BranchFailed",
    "CodecError",
    "ConfigurationError",
    "CyclicPipeline",
    "DefinitionError",
    "DuplicateAsset",
    "FlowstoneError",
    "GateTimedOut",
    "LookupFailed",
    "NotAllowed",
    "NotSupported",
    "OutOfDate",
    "Refused",
    "RunCancelled",
    "RunClosed",
    "RunError",
    "ScatterFailed",
    "StoreError",
    "Superseded",
    "UnknownAsset",
    "UnknownGate",
    "UnknownRun",
    "UnknownSchedule",
    "UpstreamFailed",
    "UpstreamMissing",
    "ValueNotFound",
    "WorkerLost",
]

Data = Mapping[str, object]
"""What an error is on the wire: its type's name and its fields, plain JSON."""


@dataclass(eq=False, kw_only=True)
class FlowstoneError(Exception):
    """The root: everything that Flowstone itself raises."""

    @property
    def message(self) -> str:
        """What went wrong and what to do next, in one or more sentences."""
        return type(self).__name__

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[object, tuple[Data]]:
        return (from_data, (self.to_data(),))

    def to_data(self) -> dict[str, object]:
        """Give the error as plain JSON, nested errors included."""
        data = {f.name: _plain(getattr(self, f.name)) for f in fields(self)}
        return {"type": type(self).__name__, **data}

    @staticmethod
    def from_data(data: Data) -> FlowstoneError:
        """Give back the error that `to_data` made; of an unknown class, its root."""
        return from_data(data)


def from_data(data: Data) -> FlowstoneError:
    """Give back the error that `to_data` made; of an unknown class, a `RunError`."""
    known = _leaves(FlowstoneError).get(str(data.get("type")))
    if known is None:
        return RunError(reason=str(data.get("reason") or dict(data)))
    names = {f.name for f in fields(known)}
    values = {k: _rich(v) for k, v in data.items() if k in names}
    return known(**values)


def _leaves(root: type[FlowstoneError]) -> dict[str, type[FlowstoneError]]:
    found = {root.__name__: root}
    for child in root.__subclasses__():
        found |= _leaves(child)
    return found


def _plain(value: object) -> object:
    if isinstance(value, FlowstoneError):
        return value.to_data()
    if isinstance(value, list | tuple):
        return [_plain(v) for v in cast("Sequence[object]", value)]
    return value


def _rich(value: object) -> object:
    if isinstance(value, Mapping) and "type" in value:
        return from_data(cast("Data", value))
    if isinstance(value, list):
        return tuple(_rich(v) for v in cast("list[object]", value))
    return value


def at(asset: str, partition: str) -> str:
    """Name one cell as people read it: `'report' @ 2025-01-15`."""
    return f"{asset!r} @ {partition}" if partition not in {"", "-"} else repr(asset)


# --- definition ---------------------------------------------------------------------


@dataclass(eq=False, kw_only=True)
class DefinitionError(FlowstoneError):
    """A pipeline, an asset or a key is not well formed; `problems` has all of them."""

    reason: str = ""
    problems: Sequence[DefinitionError] = field(default=())

    @property
    def message(self) -> str:  # noqa: D102
        if len(self.problems) > 1:
            lines = "\n".join(f"  - {p.message}" for p in self.problems)
            return f"{len(self.problems)} problems in the definition:\n{lines}"
        return self.reason


@dataclass(eq=False, kw_only=True)
class DuplicateAsset(DefinitionError):
    """Two assets of one pipeline have the same name."""

    asset: str

    @property
    def message(self) -> str:  # noqa: D102
        return (
            f"Two assets are named {self.asset!r}. Rename one, "
            "or give one of them name=..."
        )


@dataclass(eq=False, kw_only=True)
class UnknownAsset(DefinitionError):
    """A name stands for no asset of the pipeline."""

    asset: str
    needed_by: str = ""
    parameter: str = ""
    known: Sequence[str] = ()

    @property
    def message(self) -> str:  # noqa: D102
        found = closest(self.asset, self.known)
        hint = f" Did you mean {found!r}?" if found else ""
        if not self.needed_by:
            names = ", ".join(sorted(self.known)[:20])
            return f"There is no asset {self.asset!r}.{hint} Known are: {names}."
        via = (
            f" (its parameter {self.parameter!r})"
            if self.parameter and self.parameter != self.asset
            else ""
        )
        return (
            f"{self.needed_by!r} needs {self.asset!r}{via}, which is not in the "
            f"pipeline.{hint} Add it to Pipeline(...), or rename the parameter."
        )


@dataclass(eq=False, kw_only=True)
class CyclicPipeline(DefinitionError):
    """Assets need each other in a circle."""

    path: Sequence[str]

    @property
    def message(self) -> str:  # noqa: D102
        return f"Assets need each other in a circle: {' → '.join(self.path)}."


@dataclass(eq=False, kw_only=True)
class BadRoute(DefinitionError):
    """A route names a branch that cannot be one."""

    asset: str

    @property
    def message(self) -> str:  # noqa: D102
        return f"The route of {self.asset!r} is not valid: {self.reason}"


@dataclass(eq=False, kw_only=True)
class BadCompanion(DefinitionError):
    """A companion (`.on_signal`, `.items`, ...) does not fit its asset."""

    asset: str
    companion: str

    @property
    def message(self) -> str:  # noqa: D102
        return f"{self.asset}.{self.companion} cannot be used: {self.reason}"


@dataclass(eq=False, kw_only=True)
class BadPartition(DefinitionError):
    """A value cannot be a partition, or is outside of an asset's space."""

    partition: str

    @property
    def message(self) -> str:  # noqa: D102
        return f"{self.partition} cannot be a partition: {self.reason}"


# --- runs ---------------------------------------------------------------------------


@dataclass(eq=False, kw_only=True)
class RunError(FlowstoneError):
    """A run did not give what was asked of it."""

    reason: str = ""
    run_id: str = ""

    @property
    def message(self) -> str:  # noqa: D102
        return self.reason or f"Run {self.run_id} failed."


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
    def message(self) -> str:  # noqa: D102
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

    @property
    def message(self) -> str:  # noqa: D102
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

    @property
    def message(self) -> str:  # noqa: D102
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


@dataclass(eq=False, kw_only=True)
class BranchFailed(RunError):
    """A branch that is required failed."""

    asset: str
    partition: str = "-"


@dataclass(eq=False, kw_only=True)
class ApprovalRejected(RunError):
    """Somebody said no, or the deadline did."""

    asset: str
    partition: str = "-"


@dataclass(eq=False, kw_only=True)
class GateTimedOut(RunError):
    """No answer came before the deadline."""

    asset: str
    partition: str = "-"
    waited_seconds: float = 0.0

    @property
    def message(self) -> str:  # noqa: D102
        return (
            f"{at(self.asset, self.partition)} waited {self.waited_seconds:g} s for a "
            "signal that did not come. Give Signal(timeout=...) more time, or decide "
            "in .on_timeout."
        )


@dataclass(eq=False, kw_only=True)
class RunCancelled(RunError):
    """The run was cancelled, or ended by hand."""

    @property
    def message(self) -> str:  # noqa: D102
        return self.reason or f"Run {self.run_id} was cancelled."


@dataclass(eq=False, kw_only=True)
class WorkerLost(RunError):
    """An asset took down every worker that tried it."""

    asset: str
    partition: str = "-"
    times: int = 0

    @property
    def message(self) -> str:  # noqa: D102
        return (
            f"{at(self.asset, self.partition)} was running on {self.times} workers "
            "that were lost, one after the other. Look for memory exhaustion or a "
            "crash in native code."
        )


# --- stores -------------------------------------------------------------------------


@dataclass(eq=False, kw_only=True)
class StoreError(FlowstoneError):
    """A value could not be kept or read."""

    reason: str = ""

    @property
    def message(self) -> str:  # noqa: D102
        return self.reason


@dataclass(eq=False, kw_only=True)
class ValueNotFound(StoreError):
    """There is no value to load."""

    asset: str
    partition: str = "-"

    @property
    def message(self) -> str:  # noqa: D102
        why = self.reason or "It was never made; materialize it first."
        return f"There is no value of {at(self.asset, self.partition)}. {why}"


@dataclass(eq=False, kw_only=True)
class CodecError(StoreError):
    """A value does not fit the codec, or the reader's annotation."""

    type_name: str
    asset: str = ""
    partition: str = "-"

    @property
    def message(self) -> str:  # noqa: D102
        of = f" of {at(self.asset, self.partition)}" if self.asset else ""
        return f"A value of type {self.type_name!r}{of} does not fit: {self.reason}"


# --- lookups ------------------------------------------------------------------------


@dataclass(eq=False, kw_only=True)
class LookupFailed(FlowstoneError, LookupError):
    """Something that was named does not exist."""


@dataclass(eq=False, kw_only=True)
class UnknownRun(LookupFailed):
    """No run has this id."""

    run_id: str

    @property
    def message(self) -> str:  # noqa: D102
        return f"There is no run {self.run_id!r}. `runs list` shows those there are."


@dataclass(eq=False, kw_only=True)
class UnknownGate(LookupFailed):
    """No gate has this id, token or key."""

    gate: str

    @property
    def message(self) -> str:  # noqa: D102
        return f"There is no gate {self.gate!r}. `gates list` shows those that wait."


@dataclass(eq=False, kw_only=True)
class UnknownSchedule(LookupFailed):
    """No schedule has this name."""

    name: str

    @property
    def message(self) -> str:  # noqa: D102
        return f"There is no schedule {self.name!r}."


# --- refusals -----------------------------------------------------------------------


@dataclass(eq=False, kw_only=True)
class Refused(FlowstoneError):
    """What was asked is understood and not done."""

    reason: str = ""

    @property
    def message(self) -> str:  # noqa: D102
        return self.reason


@dataclass(eq=False, kw_only=True)
class AlreadyRunning(Refused):
    """The same asset and key run already, asked for differently."""

    asset: str
    partition: str = "-"
    run_id: str = ""

    @property
    def message(self) -> str:  # noqa: D102
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

    @property
    def message(self) -> str:  # noqa: D102
        return f"Gate {self.gate!r} was decided already: {self.winner}."


@dataclass(eq=False, kw_only=True)
class OutOfDate(Refused):
    """A decision was made on versions that are no longer the ones."""


@dataclass(eq=False, kw_only=True)
class RunClosed(Refused):
    """The run has ended; nothing can be done to it."""

    run_id: str
    status: str = ""

    @property
    def message(self) -> str:  # noqa: D102
        return f"Run {self.run_id} has ended ({self.status}); it takes nothing more."


@dataclass(eq=False, kw_only=True)
class BadToken(Refused):
    """A token is not one of ours, or was changed."""

    @property
    def message(self) -> str:  # noqa: D102
        return "The token is not valid. Pass ctx.token exactly as it was given."


@dataclass(eq=False, kw_only=True)
class NotAllowed(Refused):
    """The actor may not do this."""


@dataclass(eq=False, kw_only=True)
class Superseded(Refused):
    """Somebody newer has taken over; late work is dropped."""

    @property
    def message(self) -> str:  # noqa: D102
        return self.reason or "A newer attempt has taken over; this work is dropped."


# --- the rest -----------------------------------------------------------------------


@dataclass(eq=False, kw_only=True)
class ConfigurationError(FlowstoneError):
    """The app cannot work as it is configured; all problems at once."""

    problems: Sequence[str]

    @property
    def message(self) -> str:  # noqa: D102
        if len(self.problems) == 1:
            return self.problems[0]
        lines = "\n".join(f"  - {p}" for p in self.problems)
        return f"{len(self.problems)} problems in the configuration:\n{lines}"


@dataclass(eq=False, kw_only=True)
class NotSupported(FlowstoneError):
    """This engine or this release does not have it."""

    what: str
    instead: str = ""

    @property
    def message(self) -> str:  # noqa: D102
        hint = f" {self.instead}" if self.instead else ""
        return f"{self.what} is not supported yet.{hint}"
