"""A sensor looks once: what it finds is recorded by the step, and delivered by others."""

from __future__ import annotations

import asyncio

from flowstone.core.ticks import Checked, CheckSensor, Sense
from flowstone.flows.engine import Engine
from flowstone.flows.frame import somebody

__all__ = ["sense"]


async def sense(engine: Engine, flow: Sense) -> Checked | Sense:
    """Run the flow; a `Sense` as its answer asks to be continued as new."""
    found, cancelled = await somebody(
        engine,
        lambda again: CheckSensor(
            sensor=flow.sensor, tick=flow.tick, forced=flow.forced, again=again
        ),
        f"look: {flow.sensor}",
    )
    if isinstance(found, Checked):
        return found
    if cancelled:
        raise asyncio.CancelledError
    return flow
