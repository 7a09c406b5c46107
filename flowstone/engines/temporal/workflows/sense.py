"""The workflow of a sensor that looks.

Where workers have versions it is no version's, as a schedule's fire: one that waited
for an old worker would keep its sensor from looking.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from temporalio import workflow
from temporalio.common import VersioningBehavior

from flowstone.core import ticks
from flowstone.engines.temporal.engine import TemporalEngine
from flowstone.engines.temporal.workflows.driving import drive
from flowstone.flows.sense import sense

__all__ = ["Sense", "VersionlessSense"]


@workflow.defn(name="flowstone.Sense")
class Sense:
    """Look for news once."""

    @workflow.run
    async def run(self, flow: ticks.Sense) -> ticks.Checked:
        """Run the flow."""
        return await _run(flow)


@workflow.defn(
    name="flowstone.Sense", versioning_behavior=VersioningBehavior.AUTO_UPGRADE
)
class VersionlessSense:
    """The same where workers have versions; Temporal refuses it where they have none."""

    @workflow.run
    async def run(self, flow: ticks.Sense) -> ticks.Checked:
        """Run the flow."""
        return await _run(flow)


async def _run(flow: ticks.Sense) -> ticks.Checked:
    look = flow.tick or workflow.info().first_execution_run_id
    return await drive(sense(TemporalEngine(deque()), replace(flow, tick=look)))
