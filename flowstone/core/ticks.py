"""The contract at the wall for what the clock starts; the rules are those of messages.

A `Tick` is a schedule that has fired, a `Sense` a sensor that looks. Both go by a name:
which asset and which partition that means, a worker's app says.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from flowstone.core.messages import Ended, Flow, Request, Step
from flowstone.core.replies import NotHere

__all__ = [
    "CheckSensor",
    "Checked",
    "ResolveTick",
    "Resolved",
    "Sense",
    "Tick",
    "sense_id",
    "tick_id",
    "tick_run",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick(Flow["Ended"]):
    """Make what a schedule makes, and await it.

    Attributes:
        pipeline: the app's name.
        schedule: the schedule's name.
        at: the time at which it should have fired, in UTC; where the schedule itself
            starts it, the workflow knows it.
        run: the run that makes it; likewise.
        declared: what the app said of the schedule when it was applied, as JSON.
    """

    pipeline: str
    schedule: str
    at: str = ""
    run: str = ""
    declared: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolveTick(Step["Resolved | NotHere | Ended"]):
    """Say what a schedule makes at a time, and write the run's row.

    Attributes:
        schedule: the schedule's name.
        at: the time at which it should have fired, in UTC.
        run: the run's id.
        again: whether the worker that was asked before lacked the schedule.
    """

    schedule: str
    at: str
    run: str
    again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """The row of the run is written; this is what it makes."""

    request: Request
    kind: Literal["resolved"] = "resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sense(Flow["Checked"]):
    """Look for news once.

    Attributes:
        pipeline: the app's name.
        sensor: the sensor's name.
        tick: what this look is known by; where a schedule starts it, the workflow
            knows it.
        forced: whether somebody asked for it by hand, so that nothing is put off.
        declared: what the app said of the sensor when it was applied, as JSON.
    """

    pipeline: str
    sensor: str
    tick: str = ""
    forced: bool = False
    declared: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSensor(Step["Checked | NotHere"]):
    """Call a sensor's check, and record what it found with its new cursor.

    Attributes:
        sensor: the sensor's name.
        tick: what this look is known by: it is recorded once.
        forced: whether it looks although earlier failures put it off.
        again: whether the worker that was asked before lacked the sensor.
    """

    sensor: str
    tick: str
    forced: bool = False
    again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What came of a look.

    Attributes:
        outcome: `triggered`, `nothing`, `skipped`, `put_off`, `overtaken` or `failed`.
        found: how many pieces of news the check gave.
        started: how many of them were new.
        why: why it skipped, is put off or has failed.
    """

    outcome: str
    found: int = 0
    started: int = 0
    why: str = ""
    kind: Literal["checked"] = "checked"


CheckSensor.answer = Annotated[Checked | NotHere, Field(discriminator="kind")]
ResolveTick.answer = Annotated[Resolved | NotHere | Ended, Field(discriminator="kind")]


def tick_run(at: datetime, execution: str) -> str:
    """Give the id of the run that an execution of a tick makes; always the same.

    Args:
        at: when the tick should have fired.
        execution: what Temporal calls the execution.
    """
    millis = round(at.timestamp() * 1000) & ((1 << 48) - 1)
    drawn = int.from_bytes(sha256(execution.encode()).digest()[:10])
    number = millis << 80 | 0x7 << 76 | (drawn >> 62 & 0xFFF) << 64
    return str(UUID(int=number | 0b10 << 62 | drawn & ((1 << 62) - 1)))


def tick_id(pipeline: str, schedule: str, at: str) -> str:
    """Give the id of a tick that is started by hand.

    Temporal writes a `-` between the two where the schedule starts it.
    """
    return f"flowstone/{pipeline}/schedule/{schedule}/{at}"


def sense_id(pipeline: str, sensor: str, tick: str) -> str:
    """Give the id of a look that is asked for by hand; see `tick_id`."""
    return f"flowstone/{pipeline}/sensor/{sensor}/look/{tick}"
