"""A schedule has fired: say which partition that means, make it, and await it.

The run is a child, so that the schedule's workflow lasts as long as the run does, and
what Temporal does about overlapping fires means what it says.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from flowstone.core.messages import Ended, Materialize
from flowstone.core.ticks import Resolved, ResolveTick, Tick
from flowstone.flows.aio import finish
from flowstone.flows.engine import Engine
from flowstone.flows.frame import end

__all__ = ["tick"]

_FIRST, _LONGEST = timedelta(seconds=0.5), timedelta(seconds=10)


async def tick(engine: Engine, flow: Tick) -> Ended | Tick:
    """Run the flow; a `Tick` as its answer asks to be continued as new."""
    found, cancelled = await _resolve(engine, flow)
    if isinstance(found, Ended):
        return found
    if found is None:
        return Ended(status="cancelled") if cancelled else flow
    request = found.request
    if cancelled:
        return await end(engine, request, "cancelled", b"")
    child = engine.spawn(Materialize(request=request), f"run/{request.run}")
    ended, _ = await finish(child)
    if isinstance(ended, asyncio.CancelledError):
        # It had not begun, so that nobody else writes its end.
        return await end(engine, request, "cancelled", b"")
    if isinstance(ended, BaseException):
        raise ended
    return ended


async def _resolve(engine: Engine, flow: Tick) -> tuple[Resolved | Ended | None, bool]:
    """Have a worker that has the schedule say what the fire means.

    Returns:
        What is to be made, or the end of a fire of which nobody can tell; nothing,
        where no worker came before the history was full or the fire was cancelled.
        And whether it was.
    """
    asked = 0
    while True:
        step = ResolveTick(
            schedule=flow.schedule, at=flow.at, run=flow.run, again=asked > 0
        )
        found, cancelled = await finish(
            engine.do(step, f"{flow.schedule} at {flow.at}")
        )
        if isinstance(found, Resolved | Ended):
            return found, cancelled
        if cancelled:
            return None, True
        if isinstance(found, BaseException):
            raise found
        if engine.history_full:
            return None, False
        why = found.why
        engine.show(lambda why=why: f"Waiting for a worker: {why}")
        try:
            await engine.sleep(min(_FIRST * 2 ** min(asked, 8), _LONGEST), why)
        except asyncio.CancelledError:
            return None, True
        asked += 1
