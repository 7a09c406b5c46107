"""The workflow of one asset at one key."""

from __future__ import annotations

from collections import deque

from temporalio import workflow

from flowstone.core import messages
from flowstone.engines.temporal.engine import TemporalEngine
from flowstone.engines.temporal.workflows.driving import drive
from flowstone.flows.materialize import materialize

__all__ = ["Materialize"]


@workflow.defn(name="flowstone.Materialize")
class Materialize:
    """Make one asset at one key, alone or with all that it needs."""

    def __init__(self) -> None:
        self._bells: deque[str] = deque()

    @workflow.run
    async def run(self, flow: messages.Materialize) -> messages.Ended:
        """Run the flow."""
        return await drive(materialize(TemporalEngine(self._bells), flow))

    @workflow.signal
    def ring(self, gate: str) -> None:
        """Take a bell: a gate was answered, or a claim is free."""
        self._bells.append(gate)
