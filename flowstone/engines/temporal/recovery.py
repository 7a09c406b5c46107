"""Start again what was asked for and never started: its client died in between."""

from __future__ import annotations

import asyncio

from flowstone.core.errors import AlreadyRunning
from flowstone.core.messages import Backfill, Materialize
from flowstone.engines.temporal.backend import TemporalBackend
from flowstone.ledger.base import RunRow
from flowstone.steps.toolbox import Toolbox

__all__ = ["start_again"]


async def start_again(toolbox: Toolbox, backend: TemporalBackend, run: RunRow) -> None:
    """Start a run from its row: the same workflow id, the same run id."""
    request = run.request
    backfill = request.verb == "backfill"
    flow = Backfill(request=request) if backfill else Materialize(request=request)
    runs = toolbox.ledger.runs
    try:
        started = await backend.start(flow, run)
    except AlreadyRunning as error:
        await asyncio.to_thread(runs.refuse, run.id, error.message)
        return
    if started != run.id:
        await asyncio.to_thread(runs.forget, run.id)
