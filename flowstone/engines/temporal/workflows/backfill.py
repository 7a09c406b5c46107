"""The workflow of many keys."""

from __future__ import annotations

from collections import deque

from temporalio import workflow

from flowstone.core import messages
from flowstone.engines.temporal.engine import TemporalEngine
from flowstone.engines.temporal.workflows.driving import drive
from flowstone.flows.backfill import backfill

__all__ = ["Backfill"]


@workflow.defn(name="flowstone.Backfill")
class Backfill:
    """Make one asset, with all that it needs, at many keys."""

    def __init__(self) -> None:
        self._bells: deque[str] = deque()

    @workflow.run
    async def run(self, flow: messages.Backfill) -> messages.Ended:
        """Run the flow."""
        return await drive(backfill(TemporalEngine(self._bells), flow))

    @workflow.signal
    def ring(self, gate: str) -> None:
        """Take a bell: a gate was answered, or a claim is free."""
        self._bells.append(gate)
