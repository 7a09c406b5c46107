"""What every event has, of whatever kind it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import cache

from flowstone.core.partition import NONE

__all__ = ["COMMON", "Event"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened; of this class itself where another release wrote it.

    Attributes:
        name: the dotted name.
        asset: the asset it is about; of a run, its target.
        key: the text of the partition's key; `-` where there is none.
        run: the run.
        outcome: one word for how it ended.
        at: when it happened, by the clock of whoever saw it.
        extra: facts that this release has no field for.
    """

    name: str
    asset: str
    key: str = NONE.text
    run: str = ""
    outcome: str = ""
    at: datetime | None = None
    extra: Mapping[str, object] = field(
        default_factory=dict[str, object], hash=False, repr=False
    )

    @property
    def data(self) -> dict[str, object]:
        """What is particular to its kind, as far as it is known."""
        own = {name: getattr(self, name) for name in _own(type(self))}
        return {**self.extra, **{k: v for k, v in own.items() if v is not None}}


@cache
def _own(kind: type[Event]) -> list[str]:
    """Name what is particular to a kind."""
    return [f.name for f in fields(kind) if f.name not in COMMON]


COMMON = frozenset(f.name for f in fields(Event))
"""The names of what every event has."""
