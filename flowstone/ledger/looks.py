"""What is kept of sensors: how they stand, how they looked, what they have found."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flowstone.core.events import Event
from flowstone.ledger.base import RunRow

__all__ = ["News", "SensorRow", "SensorTick", "row_of", "tick_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorRow:
    """How a sensor stands.

    Attributes:
        cursor: what its check gave the last time.
        number: how often the cursor has moved.
        failures: how many looks have failed in a row.
        error: why the last one has.
        due_at: until when it is put off.
        now: the database's time when this was read.
    """

    cursor: Any = None
    number: int = 0
    failures: int = 0
    error: str = ""
    due_at: datetime | None = None
    now: datetime | None = None

    @property
    def put_off(self) -> bool:
        """Whether earlier failures have it wait."""
        return bool(self.due_at and self.now and self.due_at > self.now)


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorTick:
    """One look of a sensor.

    Attributes:
        id: what it is known by.
        outcome: `triggered`, `nothing`, `skipped`, `put_off`, `overtaken` or `failed`.
        why: why it skipped, was put off or has failed.
        found: how many pieces of news its check gave.
        started: how many of them were new.
        runs: the runs that those have; where there are many, the first.
    """

    id: str
    sensor: str
    at: datetime | None = None
    outcome: str = ""
    why: str = ""
    found: int = 0
    started: int = 0
    runs: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """A piece of news, and the run that is to be made of it."""

    id: str
    run: RunRow
    event: Event


def row_of(row: Mapping[Any, Any], now: datetime) -> SensorRow:
    """Give how a sensor stands, from its row."""
    return SensorRow(
        cursor=json.loads(row["cursor"]),
        number=row["number"],
        failures=row["failures"],
        error=row["error"],
        due_at=row["due_at"],
        now=now,
    )


def tick_of(row: Mapping[Any, Any], started: Sequence[str]) -> SensorTick:
    """Give a look, from its row."""
    names = ("id", "sensor", "at", "outcome", "why", "found", "started")
    facts = {name: row[name] for name in names}
    return SensorTick(**facts, runs=started)
