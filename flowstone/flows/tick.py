"""A schedule has fired: say which partition that means, make it, and await it.

The run is a child, so that the schedule's workflow lasts as long as the run does, and
what Temporal does about overlapping fires means what it says.
"""

from __future__ import annotations

import asyncio

from flowstone.core.messages import Ended, Materialize
from flowstone.core.ticks import Resolved, ResolveTick, Tick
from flowstone.flows.aio import finish
from flowstone.flows.engine import Engine
from flowstone.flows.frame import end, somebody

__all__ = ["tick"]


async def tick(engine: Engine, flow: Tick) -> Ended | Tick:
    """Run the flow; a `Tick` as its answer asks to be continued as new."""
    found, cancelled = await somebody(
        engine,
        lambda again: ResolveTick(
            schedule=flow.schedule, at=flow.at, run=flow.run, again=again
        ),
        f"{flow.schedule} at {flow.at}",
    )
    if isinstance(found, Ended):
        return found
    if found is None:
        return Ended(status="cancelled") if cancelled else flow
    assert isinstance(found, Resolved)
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
