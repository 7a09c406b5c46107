"""What is wrong with a pipeline, an asset or a key, before anything runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from flowstone.core.errors.root import FlowstoneError
from flowstone.core.text import closest

__all__ = [
    "BadCompanion",
    "BadPartition",
    "BadRoute",
    "CyclicPipeline",
    "DefinitionError",
    "DuplicateAsset",
    "UnknownAsset",
]

_NAMED_AT_MOST = 20


@dataclass(eq=False, kw_only=True)
class DefinitionError(FlowstoneError):
    """A pipeline, an asset or a key is not well formed; `problems` has all of them."""

    reason: str = ""
    problems: Sequence[DefinitionError] = field(default=())

    def _say(self) -> str:
        if len(self.problems) < 2:
            known = [p.message for p in self.problems]
            return self.reason or "".join(known) or "It is not well formed."
        lines = "\n".join(f"  - {p.message}" for p in self.problems)
        return f"{len(self.problems)} problems in the definition:\n{lines}"


@dataclass(eq=False, kw_only=True)
class DuplicateAsset(DefinitionError):
    """Two assets of one pipeline have the same name."""

    asset: str

    def _say(self) -> str:
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

    def _say(self) -> str:
        found = closest(self.asset, self.known)
        hint = f" Did you mean {found!r}?" if found else ""
        if not self.needed_by:
            return f"There is no asset {self.asset!r}.{hint} {self._known()}"
        via = (
            f" (its parameter {self.parameter!r})"
            if self.parameter and self.parameter != self.asset
            else ""
        )
        return (
            f"{self.needed_by!r} needs {self.asset!r}{via}, which is not in the "
            f"pipeline.{hint} Add it to Pipeline(...), or rename the parameter."
        )

    def _known(self) -> str:
        names = sorted(self.known)
        more = len(names) - _NAMED_AT_MOST
        shown = ", ".join(names[:_NAMED_AT_MOST]) or "none"
        return f"Known are: {shown}{f' and {more} more' if more > 0 else ''}."


@dataclass(eq=False, kw_only=True)
class CyclicPipeline(DefinitionError):
    """Assets need each other in a circle."""

    path: Sequence[str]

    def _say(self) -> str:
        return (
            f"Assets need each other in a circle: {' → '.join(self.path)}. "
            "Take one of these needs out."
        )


@dataclass(eq=False, kw_only=True)
class BadRoute(DefinitionError):
    """A route names a branch that cannot be one."""

    asset: str

    def _say(self) -> str:
        return f"The route of {self.asset!r} is not valid: {self.reason}"


@dataclass(eq=False, kw_only=True)
class BadCompanion(DefinitionError):
    """A companion (`.on_signal`, `.items`, ...) does not fit its asset."""

    asset: str
    companion: str

    def _say(self) -> str:
        return (
            f"The companion {self.companion!r} of {self.asset!r} cannot be used: "
            f"{self.reason}"
        )


@dataclass(eq=False, kw_only=True)
class BadPartition(DefinitionError):
    """A value cannot be a partition, or is outside of an asset's space."""

    partition: str

    def _say(self) -> str:
        return f"{self.partition} cannot be a partition: {self.reason}"
