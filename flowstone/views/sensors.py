"""What starts on news."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from flowstone.core.errors import UnknownSchedule
from flowstone.core.partition import PartitionKey
from flowstone.core.sensor import Sensor, Trigger
from flowstone.core.ticks import Sense
from flowstone.core.timetable import Placed
from flowstone.engines.ports import Backend
from flowstone.ledger.ids import new_id
from flowstone.ledger.looks import SensorTick
from flowstone.steps.sensors import look
from flowstone.steps.toolbox import Toolbox

__all__ = ["Preview", "SensorStatus", "Sensors"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorStatus:
    """A sensor of the app, and how it stands.

    Attributes:
        name: its name.
        every: how often it looks.
        placed: what the server has of it; nothing until it is applied.
        cursor: what its check gave the last time.
        failures: how many looks have failed in a row.
        error: why the last one has.
        due_at: until when it is put off by that.
        last: its last look, if it ever looked.
    """

    name: str
    every: timedelta
    placed: Placed | None = None
    cursor: object = None
    failures: int = 0
    error: str = ""
    due_at: datetime | None = None
    last: SensorTick | None = None

    @property
    def state(self) -> str:
        """One word: `active`, `failing`, `paused`, `changed` or `not_applied`."""
        if self.placed is not None and self.placed.paused:
            return "paused"
        if self.failures:
            return "failing"
        if self.placed is None:
            return "not_applied"
        return "active" if self.placed.agrees else "changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a sensor would find now; nothing of it was recorded.

    Attributes:
        new: what would start a run: asset and partition, as text.
        known: what was found and has a run already.
        cursor: from where the next look would go on.
        skipped: why it would skip, where it would.
    """

    new: Sequence[str]
    known: Sequence[str]
    cursor: object
    skipped: str = ""


class Sensors:
    """What starts on news: declared on the app, fired by Temporal.

    `schedules.apply()` has Temporal agree. In this process nobody looks by himself:
    `tick` has a sensor look once.
    """

    def __init__(self, toolbox: Toolbox, backend: Backend, actor: str) -> None:
        self._toolbox = toolbox
        self._backend = backend
        self._actor = actor

    async def list(self) -> list[SensorStatus]:
        """Give the sensors of the app, with their cursors and last looks."""
        placed = await self._backend.timetable.placed("sensor")
        return [
            await asyncio.to_thread(self._status, sensor, placed.get(sensor.name))
            for sensor in self._toolbox.sensors.values()
        ]

    def _status(self, sensor: Sensor, placed: Placed | None) -> SensorStatus:
        kept, name = self._toolbox.ledger.sensors, self._toolbox.name
        row = kept.read(name, sensor.name)
        ticks = kept.ticks(name, sensor.name, 1)
        return SensorStatus(
            name=sensor.name,
            every=sensor.every,
            placed=placed,
            cursor=row.cursor,
            failures=row.failures,
            error=row.error,
            due_at=row.due_at if row.put_off else None,
            last=ticks[0] if ticks else None,
        )

    async def ticks(self, name: str, *, limit: int = 20) -> list[SensorTick]:
        """Give the last looks of a sensor, the newest first.

        The ledger keeps 500 of each.

        Raises:
            UnknownSchedule: the app has no sensor of this name.
        """
        sensor = self._sensor(name)
        kept = self._toolbox.ledger.sensors
        return await asyncio.to_thread(
            kept.ticks, self._toolbox.name, sensor.name, limit
        )

    async def tick(self, name: str) -> SensorTick:
        """Have a sensor look once, at once, and have what it finds be made.

        It looks although earlier failures put it off, and although it is paused.

        Returns:
            The look: what came of it, and the runs that it started.

        Raises:
            UnknownSchedule: the app has no sensor of this name.
        """
        sensor = self._sensor(name)
        tick = new_id()
        await self._note("sensor.tick", name, tick)
        await self._backend.sense(
            Sense(
                pipeline=self._toolbox.name, sensor=sensor.name, tick=tick, forced=True
            )
        )
        found = await asyncio.to_thread(self._toolbox.ledger.sensors.tick, tick)
        assert found is not None, "a look that came to its end is recorded"
        return found

    async def test(self, name: str) -> Preview:
        """Say what a sensor would find now, in this process; nothing is recorded.

        Raises:
            UnknownSchedule: the app has no sensor of this name.
            RunError: its check raised.
        """
        sensor = self._sensor(name)
        return await asyncio.to_thread(self._preview, sensor)

    def _preview(self, sensor: Sensor) -> Preview:
        kept = self._toolbox.ledger.sensors
        row = kept.read(self._toolbox.name, sensor.name)
        found = look(self._toolbox, sensor, row.cursor, new_id())
        known = kept.known([each for each, _ in found.triggers])
        return Preview(
            new=[_said(t) for each, t in found.triggers if each not in known],
            known=[_said(t) for each, t in found.triggers if each in known],
            cursor=found.cursor,
            skipped=found.why,
        )

    async def pause(self, name: str, reason: str = "") -> None:
        """Have a sensor not look until it is resumed, whoever applies meanwhile.

        Raises:
            UnknownSchedule: Temporal has none of this name; apply it first.
        """
        said = f"{reason} ({self._actor})" if self._actor else reason
        await self._backend.timetable.pause("sensor", name, said)
        await self._note("sensor.pause", name, reason)

    async def resume(self, name: str, reason: str = "") -> None:
        """Have a sensor look again; what came meanwhile is found by the next look.

        Raises:
            UnknownSchedule: Temporal has none of this name.
        """
        said = f"{reason} ({self._actor})" if self._actor else reason
        await self._backend.timetable.resume("sensor", name, said)
        await self._note("sensor.resume", name, reason)

    def _sensor(self, name: str) -> Sensor:
        found = self._toolbox.sensors.get(name)
        if found is None:
            raise UnknownSchedule(name=name, what="sensor")
        return found

    async def _note(self, action: str, name: str, data: object) -> None:
        catalog = self._toolbox.ledger.catalog
        await asyncio.to_thread(
            lambda: catalog.note(
                self._toolbox.name, action, name, actor=self._actor, data={"said": data}
            )
        )


def _said(trigger: Trigger) -> str:
    key = PartitionKey.of(trigger.partition)
    return trigger.asset if key.is_none else f"{trigger.asset} @ {key.text}"
