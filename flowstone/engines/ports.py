"""What the client asks of whatever drives runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol, TypeAlias

from flowstone.core.health import Component
from flowstone.core.messages import Backfill, Materialize
from flowstone.core.schedule import Overlap
from flowstone.core.ticks import Checked, Sense, Tick
from flowstone.core.timetable import Applied, Placed, What
from flowstone.ledger.base import RunRow

__all__ = ["Backend", "Started", "Timetable", "flow_of", "workflow_of"]

Started: TypeAlias = Materialize | Backfill | Tick
"""What is started from outside; all else is somebody's child."""


def flow_of(run: RunRow) -> Started:
    """Give the flow that does what a run was asked for."""
    request = run.request
    if request.tick:
        return Tick(
            pipeline=request.pipeline,
            schedule=request.schedule,
            at=request.scheduled_at,
            run=request.run,
        )
    if request.verb == "backfill":
        return Backfill(request=request)
    return Materialize(request=request)


def workflow_of(run: RunRow) -> str:
    """Give the workflow to start, wait for and cancel: a fire's, which awaits its run."""
    return run.request.tick or run.workflow


class Timetable(Protocol):
    """Starts runs by the clock; an engine that has no clock refuses."""

    async def apply(self, *, dry_run: bool) -> Applied:
        """Make the server agree with what the app declares.

        Raises:
            ConfigurationError: the server refuses some of it; nothing was changed.
        """
        ...

    async def placed(self, what: What) -> dict[str, Placed]:
        """Give what the server has of the app's schedules or sensors, by name."""
        ...

    async def pause(self, what: What, name: str, reason: str) -> None:
        """Have a schedule not fire until it is resumed.

        Raises:
            UnknownSchedule: the server has none of this name.
        """
        ...

    async def resume(self, what: What, name: str, reason: str) -> None:
        """Have a schedule fire again; `UnknownSchedule` where there is none."""
        ...

    async def backfill(
        self, name: str, start: datetime, end: datetime, overlap: Overlap
    ) -> list[datetime]:
        """Have a schedule fire for a time that has passed; give its fires."""
        ...


class Backend(Protocol):
    """Starts runs and reaches them; one for each client."""

    owner: str
    """What proves that the process of a run lives, where runs need one."""

    @property
    def timetable(self) -> Timetable:
        """What starts runs by the clock."""
        ...

    async def start(self, flow: Started, run: RunRow) -> str:
        """Start a run, or join the one that has its workflow's id.

        Returns:
            The id of the run that goes on now: this one's, or the one joined.

        Raises:
            AlreadyRunning: another one has the id, and was asked for differently.
            ConfigurationError: whatever drives runs does not answer.
        """
        ...

    async def sense(self, flow: Sense) -> Checked:
        """Have a sensor look once, and wait for what comes of it."""
        ...

    async def wait(self, run: RunRow) -> None:
        """Wait until a run's workflow has ended, however it did."""
        ...

    async def is_alive(self, run: RunRow) -> bool:
        """Tell whether a run's workflow is open and is this run's."""
        ...

    async def ring(self, workflow: str, gate: str) -> bool:
        """Ring a workflow's bell, for a gate or (empty) for a freed claim.

        Returns:
            Whether anybody was there to hear it.
        """
        ...

    async def cancel(self, run: RunRow) -> None:
        """Ask a run to stop."""
        ...

    def url(self, run: RunRow) -> str | None:
        """Give the page on which people follow a run, if there is one."""
        ...

    async def health(self) -> Sequence[Component]:
        """Tell how whatever drives runs is."""
        ...

    async def close(self) -> None:
        """Let go of everything."""
        ...
