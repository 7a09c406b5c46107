"""What starts by the clock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Protocol, get_args

from flowstone.core.errors import NotSupported, RunError, UnknownSchedule
from flowstone.core.schedule import Overlap, utc_text
from flowstone.core.ticks import tick_id
from flowstone.core.timetable import Applied, ScheduleStatus
from flowstone.engines.ports import Backend
from flowstone.ledger.base import RunRow
from flowstone.ledger.ids import new_id
from flowstone.run import Run
from flowstone.steps.ticks import begin_tick
from flowstone.steps.toolbox import Toolbox

__all__ = ["Schedules"]

_RUNS = 5


class _Begins(Protocol):
    def __call__(self, row: RunRow) -> Awaitable[RunRow]: ...


class Schedules:
    """What starts by the clock: declared on the app, kept by Temporal.

    In this process nobody keeps the time: `list` and `trigger` work, all else refuses.
    """

    def __init__(
        self,
        toolbox: Toolbox,
        backend: Backend,
        actor: str,
        run_of: Callable[[RunRow], Run[Any]],
        begin: _Begins,
    ) -> None:
        self._toolbox = toolbox
        self._backend = backend
        self._actor = actor
        self._run_of = run_of
        self._begin = begin

    async def list(self) -> list[ScheduleStatus]:
        """Give the schedules of the app, with their next five fires and last runs."""
        placed = await self._backend.timetable.placed("schedule")
        runs = self._toolbox.ledger.runs
        found: list[ScheduleStatus] = []
        for schedule in self._toolbox.schedules.values():
            last = await asyncio.to_thread(
                runs.of_schedule, self._toolbox.name, schedule.name, _RUNS
            )
            found.append(
                ScheduleStatus(
                    name=schedule.name,
                    asset=schedule.asset,
                    cron=schedule.cron,
                    timezone=schedule.timezone,
                    overlap=schedule.overlap,
                    placed=placed.get(schedule.name),
                    runs=last,
                )
            )
        return found

    async def apply(self, *, dry_run: bool = False) -> Applied:
        """Have Temporal agree with what the app declares, sensors included.

        Creates, updates what differs, and deletes what is the app's own and is not
        declared any more. What somebody has paused stays paused.

        Args:
            dry_run: whether only to say what would be done.

        Returns:
            Each change, and what to be warned of; as text, a line each.

        Raises:
            ConfigurationError: the server refuses an expression; all that it refuses
                are named, and nothing was changed.
        """
        applied = await self._backend.timetable.apply(dry_run=dry_run)
        for change in () if dry_run else applied.changes:
            await self._note(
                f"{change.what}.{change.kind}", change.name, list(change.fields)
            )
        return applied

    async def pause(self, name: str, reason: str = "") -> None:
        """Have a schedule not fire until it is resumed, whoever applies meanwhile.

        Raises:
            UnknownSchedule: Temporal has none of this name; apply it first.
        """
        await self._backend.timetable.pause("schedule", name, self._said(reason))
        await self._note("schedule.pause", name, reason)

    async def resume(self, name: str, reason: str = "") -> None:
        """Have a schedule fire again.

        Raises:
            UnknownSchedule: Temporal has none of this name.
        """
        await self._backend.timetable.resume("schedule", name, self._said(reason))
        await self._note("schedule.resume", name, reason)

    async def trigger(self, name: str, *, at: datetime | None = None) -> Run[Any]:
        """Make at once what a schedule makes at a time, beside what it makes by itself.

        Args:
            name: the schedule's name.
            at: the time at which it should have fired; by default now.

        Returns:
            The run; the one that goes on, where the same was asked for already.

        Raises:
            UnknownSchedule: the app has none of this name.
            BadPartition: the asset has no such partition.
        """
        schedule = self._toolbox.schedules.get(name)
        if schedule is None:
            raise UnknownSchedule(name=name)
        when = _aware(at or datetime.now(UTC)).replace(microsecond=0)
        row = await asyncio.to_thread(
            lambda: begin_tick(
                self._toolbox,
                schedule,
                when,
                run=new_id(),
                workflow=tick_id(self._toolbox.name, name, utc_text(when)),
                actor=self._actor,
                owner=self._backend.owner,
            )
        )
        await self._note("schedule.trigger", name, row.request.scheduled_at)
        return self._run_of(await self._begin(row))

    async def backfill(
        self,
        name: str,
        start: datetime,
        end: datetime,
        *,
        overlap: Overlap = "buffer_all",
    ) -> list[datetime]:
        """Have a schedule fire for each of its times in a stretch that has passed.

        Temporal starts them, one after the other unless `overlap` says otherwise. To
        make many partitions as fast as can be, there is `stone.backfill`.

        Args:
            name: the schedule's name.
            start: from when on, itself included.
            end: until when, itself included.
            overlap: what becomes of a fire while an earlier one goes on.

        Returns:
            The fires, as the server says.

        Raises:
            UnknownSchedule: Temporal has none of this name; apply it first.
            RunError: there are more fires than Temporal keeps for later.
        """
        if overlap not in get_args(Overlap):
            words = ", ".join(repr(word) for word in get_args(Overlap))
            raise NotSupported(
                what=f"overlap={overlap!r}", instead=f"Use one of {words}."
            )
        fires = await self._backend.timetable.backfill(
            name, _aware(start), _aware(end), overlap
        )
        said = {"from": utc_text(start), "to": utc_text(end), "fires": len(fires)}
        await self._note("schedule.backfill", name, said)
        return fires

    def _said(self, reason: str) -> str:
        return f"{reason} ({self._actor})" if self._actor else reason

    async def _note(self, action: str, name: str, data: object) -> None:
        """Add to the audit log: what is changed here, no row has."""
        catalog = self._toolbox.ledger.catalog
        await asyncio.to_thread(
            lambda: catalog.note(
                self._toolbox.name, action, name, actor=self._actor, data={"said": data}
            )
        )


def _aware(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise RunError(
            reason=f"{at!r} says no time zone: give one, as "
            "datetime(2025, 1, 15, 6, tzinfo=ZoneInfo('Europe/Zurich'))."
        )
    return at
