"""Schedules: what the clock starts, for which partition.

A schedule travels as its name. Its partition function is the user's: a step calls it,
in the worker, with the time at which the schedule should have fired, in the schedule's
own zone, however late it fires.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal, TypeAlias, get_args
from zoneinfo import ZoneInfo

from flowstone.core.asset import Asset
from flowstone.core.errors import ConfigurationError
from flowstone.core.pipeline import AnyAsset, Pipeline
from flowstone.core.policy import HOUR, MINUTE, Freshness
from flowstone.core.ref import Key

__all__ = [
    "LEAST_CATCH_UP",
    "Overlap",
    "Schedule",
    "previous_day",
    "previous_hour",
    "problems_of",
    "same_day",
    "utc_text",
]

Overlap = Literal[
    "skip", "buffer_one", "buffer_all", "cancel_other", "terminate_other", "allow_all"
]
"""What becomes of a fire while an earlier one goes on."""

KeyOfTime: TypeAlias = Callable[[datetime], Key | None]

LEAST_CATCH_UP = timedelta(seconds=10)
"""Temporal makes less of it ten seconds without a word."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_FEWEST_FIELDS, _MOST_FIELDS = 5, 7


def same_day(scheduled: datetime) -> date:
    """Give the day of a fire, in the schedule's zone."""
    return scheduled.date()


def previous_day(scheduled: datetime) -> date:
    """Give the day before that of a fire, in the schedule's zone."""
    return scheduled.date() - timedelta(days=1)


def previous_hour(scheduled: datetime) -> datetime:
    """Give the begin of the last whole hour before a fire, as an instant in UTC.

    An hour is one of elapsed time: where clocks are set back, both hours of the same
    name have a key of their own.
    """
    whole = scheduled.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return whole - HOUR


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Schedule:
    """Makes an asset whenever a cron expression says so.

    Attributes:
        asset: the asset's name.
        cron: when, as Temporal reads it: minute, hour, day of the month, month, day of
            the week; seven fields begin with seconds and end with years.
        timezone: the zone in which that is meant, as `Europe/Zurich`.
        partition: gives the key to make from the time of the fire in that zone; `None`
            for an asset that has no partitions.
        name: what it is called; by default as its asset.
        upstream: whether all that the asset needs is made too.
        policy: when a value that exists is made again.
        overlap: what becomes of a fire while an earlier one goes on.
        catch_up: how late a fire may be that was missed; what is later is dropped.
        jitter: how much later than the expression says it may fire, at random. The
            partition does not follow it.

    Raises:
        ConfigurationError: all that is wrong with it, at once.

    Example:
        >>> daily = Schedule("report", cron="0 6 * * *", partition=previous_day)
        >>> daily.key_of(datetime(2025, 1, 16, 6, tzinfo=UTC))
        datetime.date(2025, 1, 15)
    """

    asset: str
    cron: str
    timezone: str
    partition: KeyOfTime | None
    name: str
    upstream: bool
    policy: Freshness
    overlap: Overlap
    catch_up: timedelta
    jitter: timedelta

    def __init__(
        self,
        asset: AnyAsset | str,
        *,
        cron: str,
        timezone: str = "UTC",
        partition: KeyOfTime | None = same_day,
        name: str | None = None,
        upstream: bool = True,
        policy: Freshness = "missing",
        overlap: Overlap = "skip",
        catch_up: timedelta = 6 * HOUR,
        jitter: timedelta = MINUTE,
    ) -> None:
        target = asset.name if isinstance(asset, Asset) else asset
        values = {
            "asset": target,
            "cron": cron,
            "timezone": timezone,
            "partition": partition,
            "name": target if name is None else name,
            "upstream": upstream,
            "policy": policy,
            "overlap": overlap,
            "catch_up": catch_up,
            "jitter": jitter,
        }
        for word, value in values.items():
            object.__setattr__(self, word, value)
        problems = _problems(self)
        if problems:
            raise ConfigurationError(problems=problems)

    def __repr__(self) -> str:
        return f"<schedule {self.name!r}: {self.asset!r} at {self.cron!r}>"

    @property
    def zone(self) -> ZoneInfo:
        """The zone in which the expression is meant."""
        return ZoneInfo(self.timezone)

    def key_of(self, scheduled: datetime) -> Key | None:
        """Give the key that a fire makes; the user's function, called in a step."""
        if self.partition is None:
            return None
        return self.partition(scheduled.astimezone(self.zone))

    def declared(self) -> Mapping[str, object]:
        """Say as plain JSON what a server must know, to be compared with what it has.

        The partition function is not in it: workers look it up by the schedule's name.
        """
        return {
            "asset": self.asset,
            "cron": self.cron,
            "timezone": self.timezone,
            "upstream": self.upstream,
            "policy": self.policy,
            "overlap": self.overlap,
            "catch_up": self.catch_up.total_seconds(),
            "jitter": self.jitter.total_seconds(),
        }


def _problems(schedule: Schedule) -> list[str]:
    found = [
        said
        for bad, said in (
            (not _NAME.fullmatch(schedule.name), _name_problem(schedule.name)),
            *_timing_problems(schedule),
            *_running_problems(schedule),
        )
        if bad
    ]
    return [f"The schedule {schedule.name!r}: {problem}" for problem in found]


def _name_problem(name: str) -> str:
    return (
        f"its name {name!r} must be a letter, then letters, digits, `_`, `.` and `-`; "
        "give name=."
    )


def _timing_problems(schedule: Schedule) -> list[tuple[bool, str]]:
    fields = len(schedule.cron.partition("#")[0].split())
    is_word = schedule.cron.startswith("@")
    return [
        (
            not is_word and not _FEWEST_FIELDS <= fields <= _MOST_FIELDS,
            f"cron={schedule.cron!r} has {fields} fields; write minute, hour, day of "
            "the month, month and day of the week.",
        ),
        (
            not _is_zone(schedule.timezone),
            f"timezone={schedule.timezone!r} is no zone that this machine knows; "
            "write one as 'Europe/Zurich', and install `tzdata` where there are none.",
        ),
        (
            schedule.catch_up < LEAST_CATCH_UP,
            f"catch_up={schedule.catch_up!r} is too short; the least is 10 seconds.",
        ),
        (
            schedule.jitter < timedelta(0),
            f"jitter={schedule.jitter!r} must not be negative.",
        ),
    ]


def _running_problems(schedule: Schedule) -> list[tuple[bool, str]]:
    overlaps = get_args(Overlap)
    return [
        (
            schedule.overlap not in overlaps,
            f"overlap={schedule.overlap!r} is none of "
            f"{', '.join(repr(word) for word in overlaps)}.",
        ),
        (
            schedule.policy not in {"always", "missing"},
            f"policy={schedule.policy!r}: use 'missing' or 'always'.",
        ),
        (
            schedule.partition is not None and not callable(schedule.partition),
            f"partition={schedule.partition!r} is no function of the scheduled time; "
            "give one as same_day, or None for no partition.",
        ),
    ]


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError):  # no zone; a folder of zones; a path
        return False
    return True


def problems_of(pipeline: Pipeline, schedules: Iterable[Schedule]) -> list[str]:
    """Say what is wrong with the schedules of an app."""
    problems = list[str]()
    named = set[str]()
    for schedule in schedules:
        name = schedule.name
        if name in named:
            problems.append(
                f"Two schedules are called {name!r}: give one of them another name=."
            )
        named.add(name)
        if schedule.asset not in pipeline:
            problems.append(
                f"The schedule {name!r} makes the asset {schedule.asset!r}, which the "
                "pipeline does not have: add it, or correct the name."
            )
        elif pipeline[schedule.asset].is_single and schedule.partition is not None:
            problems.append(
                f"The schedule {name!r} makes {schedule.asset!r}, which is single: "
                "give partition=None."
            )
    return problems


def utc_text(at: datetime) -> str:
    """Write an instant as ids and rows have it: `2025-01-15T06:00:00Z`."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
