"""Record the histories of what the clock starts: fires of schedules, looks of sensors.

They are beside those of `dev.recording`, in a folder of their own.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dev.recording import HOME, keep
from flowstone import Run
from flowstone.core.schedule import Schedule
from flowstone.ledger.sql import SqlLedger
from flowstone.stack import Stack
from flowstone.testing import Served, Servers, open_served
from tests.apps import clocked

AT = datetime(2025, 1, 16, 6, tzinfo=UTC)


class Recorder:
    """Runs shapes and keeps their histories in a folder."""

    def __init__(self, served: Served, folder: Path) -> None:
        self._served = served
        self._stone = served.stone
        self._folder = folder

    async def keep(self, name: str, run: Run[object], status: str) -> None:
        """Wait for a run, and keep its fire's histories."""
        outcome = await run.wait()
        assert outcome.status == status, outcome
        [row] = [r for r in await self._stone.runs.list() if r.id == run.id]
        await keep(self._served.temporal, row.request.tick, self._folder, name)

    async def record(self) -> None:
        """Record each shape once."""
        trigger = self._stone.schedules.trigger
        await self.keep("triggered", await trigger("report", at=AT), "succeeded")
        await self.keep("failed", await trigger("broken", at=AT), "failed")
        await self._cancelled()
        await self._waited()
        await self._fired()
        for name in ("news", "stuck"):
            tick = await self._stone.sensors.tick(name)
            identity = f"flowstone/clocked/sensor/{name}/look/{tick.id}"
            await keep(self._served.temporal, identity, self._folder, f"look-{name}")

    async def _cancelled(self) -> None:
        run = await self._stone.schedules.trigger("slow", at=AT)
        while not (await run.progress()).running:
            await asyncio.sleep(0.1)
        await run.cancel()
        await self.keep("cancelled", run, "cancelled")

    async def _waited(self) -> None:
        """Have a fire wait for a worker that has the schedule."""
        toolbox = self._served.toolbox
        declared = dict(toolbox.schedules)
        await self._stone.schedules.apply()
        start = AT - timedelta(days=9)
        toolbox.schedules = _Lacking(declared)
        await self._stone.schedules.backfill("report", start, start)
        await asyncio.sleep(8)
        toolbox.schedules = declared
        await self._of_fire("waited", "report", start)

    async def _fired(self) -> None:
        """Have the server fire, for what can be made and what cannot."""
        for name, shape in (("report", "fired"), ("unsure", "refused")):
            await self._stone.schedules.backfill(name, AT, AT)
            await self._of_fire(shape, name, AT)

    async def _of_fire(self, shape: str, schedule: str, at: datetime) -> None:
        identity = f"flowstone/clocked/schedule/{schedule}-{at:%Y-%m-%dT%H:%M:%SZ}"
        query = f"WorkflowId = {identity!r} AND ExecutionStatus != 'Running'"
        temporal = self._served.temporal
        async with asyncio.timeout(60):
            while not [w async for w in temporal.list_workflows(query)]:
                await asyncio.sleep(0.1)
            handle = temporal.get_workflow_handle(identity)
            while (await handle.describe()).close_time is None:
                await asyncio.sleep(0.1)
        await keep(temporal, identity, self._folder, shape)


class _Lacking(dict[str, Schedule]):
    """Schedules that clients see and workers lack."""

    def __init__(self, declared: Mapping[str, Schedule]) -> None:
        super().__init__(declared)

    def get(self, *_: object) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Give none."""


async def record(stack: Stack, folder: Path) -> None:
    """Record every shape into a folder."""
    servers = Servers(
        temporal_address=stack.temporal_address, ledger_url=stack.ledger_url
    )
    async with open_served(clocked.app, servers) as served:
        await Recorder(served, folder).record()


def main() -> None:
    """Record into a folder named by the release."""
    release = sys.argv[1] if len(sys.argv) > 1 else "0.1"
    small = {"limit.historyCount.suggestContinueAsNew": 12}
    for name, config in (("clock", {}), ("clock-continued", small)):
        folder = HOME / release / name
        folder.mkdir(parents=True, exist_ok=True)
        with Stack(ui=False, dynamic_config=config) as stack:
            os.environ.update(stack.environment())
            ledger = SqlLedger(stack.ledger_url)
            ledger.upgrade()
            ledger.close()
            asyncio.run(record(stack, folder))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
