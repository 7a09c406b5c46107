"""The timetable of an engine that has no clock: what it lacks, it says."""

from __future__ import annotations

from datetime import datetime
from typing import Never

from flowstone.core.errors import NotSupported
from flowstone.core.schedule import Overlap
from flowstone.core.timetable import Placed, What

__all__ = ["Untimed"]


class Untimed:
    """Fires nothing: in one process, there is nobody who is there all the time."""

    async def apply(self, *, dry_run: bool) -> Never:
        """Refuse."""
        del dry_run
        raise _refusal("schedules.apply")

    async def placed(self, what: What) -> dict[str, Placed]:
        """Give none: no server has any of them."""
        del what
        return {}

    async def pause(self, what: What, name: str, reason: str) -> Never:
        """Refuse."""
        del name, reason
        raise _refusal(what + "s.pause")

    async def resume(self, what: What, name: str, reason: str) -> Never:
        """Refuse."""
        del name, reason
        raise _refusal(what + "s.resume")

    async def backfill(
        self, name: str, start: datetime, end: datetime, overlap: Overlap
    ) -> Never:
        """Refuse."""
        del name, start, end, overlap
        raise _refusal("schedules.backfill")


def _refusal(what: str) -> NotSupported:
    return NotSupported(
        what=f"{what}() in this process",
        instead="Temporal keeps the time: open the app with connect(). "
        "`schedules.trigger(name, at=...)` and `sensors.tick(name)` work here too.",
    )
