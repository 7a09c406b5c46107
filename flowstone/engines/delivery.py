"""Start the runs that sensors have found: each once, whoever dies in between."""

from __future__ import annotations

import asyncio

from flowstone.core.errors import AlreadyRunning
from flowstone.engines.ports import Backend, flow_of
from flowstone.ledger.base import RunRow
from flowstone.steps.points import reach
from flowstone.steps.toolbox import Toolbox

__all__ = ["deliver"]

_AT_ONCE = 8


async def deliver(toolbox: Toolbox, backend: Backend, *, limit: int) -> int:
    """Start runs whose triggers are due.

    What is taken is somebody's for half a minute. A run that was started already is
    met under its id, and not started again.

    Args:
        toolbox: where the ledger is.
        backend: what drives runs.
        limit: how many to start at most.

    Returns:
        How many were taken.
    """
    kept = toolbox.ledger.sensors
    found = await asyncio.to_thread(
        lambda: kept.due(toolbox.name, limit=limit, owner=backend.owner)
    )
    for first in range(0, len(found), _AT_ONCE):
        group = found[first : first + _AT_ONCE]
        await asyncio.gather(*(_start(toolbox, backend, row) for row in group))
        reach("deliver.before")
        await asyncio.to_thread(kept.delivered, [row.id for row in group])
    return len(found)


async def _start(toolbox: Toolbox, backend: Backend, row: RunRow) -> None:
    if row.status != "starting":
        return
    try:
        await backend.start(flow_of(row), row)
    except AlreadyRunning as error:
        refuse = toolbox.ledger.runs.refuse
        await asyncio.to_thread(refuse, row.id, error.message)
