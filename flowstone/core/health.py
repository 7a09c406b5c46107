"""How the things that an app runs on are, as data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

__all__ = ["Component", "Health", "HealthState"]

HealthState = Literal["ok", "warning", "unknown", "failing"]
"""How a component is; `unknown` is one that cannot be asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """How one thing is that an app runs on.

    Attributes:
        kind: what sort of thing it is: `ledger`, `io`, `resource`, `temporal`, ...
        name: which of its kind; the kind itself where there is but one.
        state: `ok`; `warning`: it serves, and something should be done; `unknown`: it
            cannot be asked; `failing`.
        latency: how long it took to answer.
        detail: what else it said.
        problem: what is wrong.
        remedy: what to do.
    """

    kind: str
    name: str
    state: HealthState = "ok"
    latency: timedelta | None = None
    detail: str = ""
    problem: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        """Give its name as people read it: `io lake`, `ledger`."""
        return self.kind if self.name == self.kind else f"{self.kind} {self.name}"

    def to_data(self) -> dict[str, object]:
        """Give it as plain JSON."""
        took = self.latency
        return {
            "kind": self.kind,
            "name": self.name,
            "state": self.state,
            "latency_ms": None
            if took is None
            else round(took.total_seconds() * 1e3, 1),
            "detail": self.detail,
            "problem": self.problem,
            "remedy": self.remedy,
        }


@dataclass(frozen=True, slots=True)
class Health:
    """How all that an app runs on is, as it was found by this process."""

    components: Sequence[Component]

    @property
    def healthy(self) -> bool:
        """Whether nothing fails."""
        return not any(c.state == "failing" for c in self.components)

    def __iter__(self) -> Iterator[Component]:
        return iter(self.components)

    def __getitem__(self, name: str) -> Component:
        """Give the component of a name: `health["ledger"]`.

        Raises:
            KeyError: there is none.
        """
        for component in self.components:
            if component.name == name:
                return component
        raise KeyError(name)

    def to_data(self) -> dict[str, object]:
        """Give it as plain JSON."""
        return {
            "healthy": self.healthy,
            "components": [c.to_data() for c in self.components],
        }
