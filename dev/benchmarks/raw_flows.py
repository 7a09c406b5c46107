"""The same shapes as workflows of the plain SDK: what one would write without us."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio import workflow

__all__ = ["QUEUE", "STEP", "WORKFLOWS"]

QUEUE = "bench-raw"
STEP = "step"


@workflow.defn(name="Chain")
class Chain:
    """One activity after the other."""

    @workflow.run
    async def run(self, nodes: int) -> int:
        """Run them."""
        value = 0
        for _ in range(nodes):
            value = await _step(value)
        return value


@workflow.defn(name="Fan")
class Fan:
    """All activities but the last at once, then the last."""

    @workflow.run
    async def run(self, nodes: int) -> int:
        """Run them."""
        values = await asyncio.gather(*(_step(n) for n in range(nodes - 1)))
        return await _step(sum(values))


WORKFLOWS = [Chain, Fan]


async def _step(value: int) -> int:
    return await workflow.execute_activity(
        STEP, value, result_type=int, start_to_close_timeout=timedelta(minutes=1)
    )
