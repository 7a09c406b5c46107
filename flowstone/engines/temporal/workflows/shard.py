"""The workflow of a stretch of a backfill's keys."""

from __future__ import annotations

from collections import deque

from temporalio import workflow

from flowstone.core import messages
from flowstone.engines.temporal.engine import TemporalEngine
from flowstone.engines.temporal.workflows.driving import drive
from flowstone.flows.backfill import shard

__all__ = ["Shard"]


@workflow.defn(name="flowstone.Shard")
class Shard:
    """Make a stretch of a backfill's keys."""

    def __init__(self) -> None:
        self._bells: deque[str] = deque()

    @workflow.run
    async def run(self, flow: messages.Shard) -> messages.ShardEnded:
        """Run the flow."""
        return await drive(shard(TemporalEngine(self._bells), flow))

    @workflow.signal
    def ring(self, gate: str) -> None:
        """Take a bell: a gate was answered, or a claim is free."""
        self._bells.append(gate)
