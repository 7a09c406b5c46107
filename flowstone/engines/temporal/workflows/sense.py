"""The workflow of a sensor that looks."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from temporalio import workflow

from flowstone.core import ticks
from flowstone.engines.temporal.engine import TemporalEngine
from flowstone.engines.temporal.workflows.driving import drive
from flowstone.flows.sense import sense

__all__ = ["Sense"]


@workflow.defn(name="flowstone.Sense")
class Sense:
    """Look for news once."""

    @workflow.run
    async def run(self, flow: ticks.Sense) -> ticks.Checked:
        """Run the flow."""
        look = flow.tick or workflow.info().first_execution_run_id
        return await drive(sense(TemporalEngine(deque()), replace(flow, tick=look)))
