"""The workflow of a schedule that has fired.

It waits for its run, however long that waits: it holds no version of a worker meanwhile,
and ends with whichever is current. So it must stay the same, or be patched.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from temporalio import workflow
from temporalio.common import VersioningBehavior

from flowstone.core import messages, ticks
from flowstone.core.schedule import utc_text
from flowstone.engines.temporal.engine import TemporalEngine
from flowstone.engines.temporal.ids import SCHEDULED
from flowstone.engines.temporal.workflows.driving import drive
from flowstone.flows.tick import tick

__all__ = ["Tick", "VersionlessTick"]


@workflow.defn(name="flowstone.Tick")
class Tick:
    """Make what a schedule makes at the time at which it should have fired."""

    @workflow.run
    async def run(self, flow: ticks.Tick) -> messages.Ended:
        """Run the flow."""
        return await _run(flow)


@workflow.defn(
    name="flowstone.Tick", versioning_behavior=VersioningBehavior.AUTO_UPGRADE
)
class VersionlessTick:
    """The same where workers have versions; Temporal refuses it where they have none."""

    @workflow.run
    async def run(self, flow: ticks.Tick) -> messages.Ended:
        """Run the flow."""
        return await _run(flow)


async def _run(flow: ticks.Tick) -> messages.Ended:
    info = workflow.info()
    at = info.typed_search_attributes.get(SCHEDULED) or info.start_time
    run = ticks.tick_run(at, info.first_execution_run_id)
    fired = replace(flow, at=flow.at or utc_text(at), run=flow.run or run)
    return await drive(tick(TemporalEngine(deque()), fired))
