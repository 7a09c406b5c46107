"""What a store could not keep or read, and what could not be found."""

from __future__ import annotations

from dataclasses import dataclass

from flowstone.core.errors.root import FlowstoneError, at

__all__ = [
    "CodecError",
    "LookupFailed",
    "StoreError",
    "UnknownDelivery",
    "UnknownGate",
    "UnknownRun",
    "UnknownSchedule",
    "ValueNotFound",
]


@dataclass(eq=False, kw_only=True)
class StoreError(FlowstoneError):
    """A value could not be kept or read."""

    reason: str = ""

    def _say(self) -> str:
        return self.reason or "A value could not be kept or read."


@dataclass(eq=False, kw_only=True)
class ValueNotFound(StoreError):
    """There is no value to load."""

    asset: str
    partition: str = "-"

    def _say(self) -> str:
        why = self.reason or "It was never made; materialize it first."
        return f"There is no value of {at(self.asset, self.partition)}. {why}"


@dataclass(eq=False, kw_only=True)
class CodecError(StoreError):
    """A value does not fit the codec, or the reader's annotation."""

    type_name: str
    asset: str = ""
    partition: str = "-"

    def _say(self) -> str:
        of = f" of {at(self.asset, self.partition)}" if self.asset else ""
        return f"A value of type {self.type_name!r}{of} does not fit: {self.reason}"


@dataclass(eq=False, kw_only=True)
class LookupFailed(FlowstoneError, LookupError):
    """Something that was named does not exist."""


@dataclass(eq=False, kw_only=True)
class UnknownRun(LookupFailed):
    """No run has this id."""

    run_id: str

    def _say(self) -> str:
        return f"There is no run {self.run_id!r}. `runs list` shows those there are."


@dataclass(eq=False, kw_only=True)
class UnknownGate(LookupFailed):
    """No gate has this id, token or key."""

    gate: str

    def _say(self) -> str:
        return f"There is no gate {self.gate!r}. `gates list` shows those that wait."


@dataclass(eq=False, kw_only=True)
class UnknownDelivery(LookupFailed):
    """No delivery has this id, or its log is no longer kept."""

    delivery: str

    def _say(self) -> str:
        return (
            f"There is no delivery {self.delivery!r}. `gates deliveries` shows those "
            "that are kept."
        )


@dataclass(eq=False, kw_only=True)
class UnknownSchedule(LookupFailed):
    """No schedule, or no sensor, has this name."""

    name: str
    what: str = "schedule"

    def _say(self) -> str:
        return (
            f"There is no {self.what} {self.name!r}. "
            f"`{self.what}s list` shows those there are."
        )
