"""Sensors: what news starts, one run for each piece of it.

A check is the user's: a step calls it with the cursor that it gave the last time. What
it finds is recorded together with its new cursor, so that nothing is lost or started
twice, whatever dies.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from typing import Any, Protocol, TypeAlias, runtime_checkable

from flowstone.core.asset import Asset
from flowstone.core.errors import ConfigurationError
from flowstone.core.outcome import Skip
from flowstone.core.partition import PartitionKey
from flowstone.core.pipeline import AnyAsset, Pipeline
from flowstone.core.policy import HOUR, MINUTE, SECOND, Freshness
from flowstone.core.ref import Key

__all__ = [
    "Check",
    "Found",
    "Ready",
    "Sensor",
    "Trigger",
    "problems_of",
    "trigger_id",
    "untold",
    "wait_after",
]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_LONGEST_WAIT = HOUR


@dataclass(frozen=True, slots=True, init=False)
class Trigger:
    """A piece of news: which asset is to be made, for which partition.

    Attributes:
        asset: the asset's name.
        partition: the key.
        key: what the news is known by, as an object's name and its etag: the same one
            is never news again. Without it, it is news of this one tick.
    """

    asset: str
    partition: Key | None
    key: str | None

    def __init__(
        self,
        asset: AnyAsset | str,
        partition: Key | None = None,
        *,
        key: str | None = None,
    ) -> None:
        name = asset.name if isinstance(asset, Asset) else asset
        object.__setattr__(self, "asset", name)
        object.__setattr__(self, "partition", partition)
        object.__setattr__(self, "key", key)


@dataclass(frozen=True, slots=True)
class Found:
    """What a check found, and from where the next one goes on.

    Attributes:
        triggers: what is to be made; any number.
        cursor: yours, anything that is JSON; the next check is given it.
    """

    triggers: Sequence[Trigger] = field(default_factory=tuple[Trigger, ...])
    cursor: Any = None


Answer: TypeAlias = Found | Skip | None
Check: TypeAlias = Callable[[Any], Answer | Awaitable[Answer]]
"""Called with the last cursor, `None` at first; `None` or `Skip(reason)` is no news."""


@runtime_checkable
class Ready(Protocol):
    """A check that can say beforehand what it makes, and what it lacks."""

    @property
    def assets(self) -> Sequence[str]:
        """The names of the assets that it triggers."""
        ...

    def problems(self) -> Sequence[str]:
        """Say what it has not been told."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Sensor:
    """Looks for news again and again, and has a run made for each piece.

    Attributes:
        name: what it is called.
        every: how often it looks.
        check: looks for news.
        upstream: whether all that an asset needs is made too.
        policy: when a value that exists is made again; by default always: what is
            news is new.

    Raises:
        ConfigurationError: all that is wrong with it, at once.

    Example:
        >>> def look(cursor: int | None) -> Found:
        ...     return Found([Trigger("report", cursor or 0)], (cursor or 0) + 1)
        >>> Sensor("counter", check=look)
        <sensor 'counter' every 0:01:00>
    """

    name: str
    check: Check
    every: timedelta = MINUTE
    upstream: bool = True
    policy: Freshness = "always"

    def __init__(
        self,
        name: str,
        *,
        check: Check,
        every: timedelta = MINUTE,
        upstream: bool = True,
        policy: Freshness = "always",
    ) -> None:
        for word, value in (
            ("name", name),
            ("check", check),
            ("every", every),
            ("upstream", upstream),
            ("policy", policy),
        ):
            object.__setattr__(self, word, value)
        problems = _problems(self)
        if problems:
            raise ConfigurationError(problems=problems)

    def __repr__(self) -> str:
        return f"<sensor {self.name!r} every {self.every}>"

    def declared(self) -> Mapping[str, object]:
        """Say as plain JSON what a server must know; see `Schedule.declared`."""
        return {"every": self.every.total_seconds()}


def _problems(sensor: Sensor) -> list[str]:
    found = [
        said
        for bad, said in (
            (
                not _NAME.fullmatch(sensor.name),
                "its name must be a letter, then letters, digits, `_`, `.` and `-`.",
            ),
            (
                not callable(sensor.check),
                f"check={sensor.check!r} is no function of the cursor.",
            ),
            (
                sensor.every < SECOND,
                f"every={sensor.every!r} is too often; the least is a second.",
            ),
            (
                sensor.policy not in {"always", "missing"},
                f"policy={sensor.policy!r}: use 'always' or 'missing'.",
            ),
        )
        if bad
    ]
    return [f"The sensor {sensor.name!r}: {problem}" for problem in found]


def problems_of(pipeline: Pipeline, sensors: Iterable[Sensor]) -> list[str]:
    """Say what is wrong with the sensors of an app."""
    problems = list[str]()
    named = set[str]()
    for sensor in sensors:
        if sensor.name in named:
            problems.append(
                f"Two sensors are called {sensor.name!r}: give one another name."
            )
        named.add(sensor.name)
        problems += [f"The sensor {sensor.name!r}: {p}" for p in _of(pipeline, sensor)]
    return problems


def _of(pipeline: Pipeline, sensor: Sensor) -> list[str]:
    if not isinstance(sensor.check, Ready):
        return []
    return [
        f"it makes the asset {name!r}, which the pipeline does not have: add it, or "
        "correct the name."
        for name in sensor.check.assets
        if name not in pipeline
    ]


def untold(sensors: Iterable[Sensor]) -> list[str]:
    """Say what checks have not been told when an app is opened."""
    return [
        f"The sensor {sensor.name!r}: {problem}"
        for sensor in sensors
        if isinstance(sensor.check, Ready)
        for problem in sensor.check.problems()
    ]


def trigger_id(pipeline: str, sensor: str, trigger: Trigger, tick: str) -> str:
    """Give what a piece of news is known by, so that it starts one run.

    Args:
        pipeline: the app's name.
        sensor: the sensor's.
        trigger: the news.
        tick: the tick that found it, which counts where the news has no key.
    """
    where = PartitionKey.of(trigger.partition).text
    own = ["tick", tick] if trigger.key is None else ["key", trigger.key]
    said = json.dumps([pipeline, sensor, trigger.asset, where, *own])
    return sha256(said.encode()).hexdigest()[:32]


def wait_after(failures: int, every: timedelta) -> timedelta:
    """Give how long a sensor is left in peace after so many failures in a row.

    The first one costs nothing: the next tick tries again. Then every other tick does,
    every fourth, and so on up to an hour.
    """
    doubled = every * 2 ** min(failures - 1, 20)
    # Half a tick less, so that a tick which is a little early is not left out.
    return max(min(doubled, _LONGEST_WAIT), every) - every / 2
