"""The workflows: a few lines each, all else is in `flowstone.flows`.

They are generic. User code never runs here, so a change of it breaks no history.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import replace
from typing import NoReturn

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from flowstone.core import messages, ticks
    from flowstone.core.errors import FlowstoneError, from_data
    from flowstone.core.schedule import utc_text

from flowstone.engines.temporal.engine import TemporalEngine
from flowstone.engines.temporal.ids import SCHEDULED
from flowstone.flows.table import AnyEnd, AnyFlow, take_flow

__all__ = ["WORKFLOWS", "Backfill", "Materialize", "Sense", "Shard", "Tick"]


@workflow.defn(name="flowstone.Materialize")
class Materialize:
    """Make one asset at one key, alone or with all that it needs."""

    def __init__(self) -> None:
        self._bells: deque[str] = deque()

    @workflow.run
    async def run(self, flow: messages.Materialize) -> messages.Ended:
        """Run the flow."""
        found = await _drive(self._bells, flow)
        assert isinstance(found, messages.Ended)
        return found

    @workflow.signal
    def ring(self, gate: str) -> None:
        """Take a bell: a gate was answered, or a claim is free."""
        self._bells.append(gate)


@workflow.defn(name="flowstone.Backfill")
class Backfill:
    """Make one asset, with all that it needs, at many keys."""

    def __init__(self) -> None:
        self._bells: deque[str] = deque()

    @workflow.run
    async def run(self, flow: messages.Backfill) -> messages.Ended:
        """Run the flow."""
        found = await _drive(self._bells, flow)
        assert isinstance(found, messages.Ended)
        return found

    @workflow.signal
    def ring(self, gate: str) -> None:
        """Take a bell: a gate was answered, or a claim is free."""
        self._bells.append(gate)


@workflow.defn(name="flowstone.Shard")
class Shard:
    """Make a stretch of a backfill's keys."""

    def __init__(self) -> None:
        self._bells: deque[str] = deque()

    @workflow.run
    async def run(self, flow: messages.Shard) -> messages.ShardEnded:
        """Run the flow."""
        found = await _drive(self._bells, flow)
        assert isinstance(found, messages.ShardEnded)
        return found

    @workflow.signal
    def ring(self, gate: str) -> None:
        """Take a bell: a gate was answered, or a claim is free."""
        self._bells.append(gate)


@workflow.defn(name="flowstone.Tick")
class Tick:
    """Make what a schedule makes at the time at which it should have fired."""

    @workflow.run
    async def run(self, flow: ticks.Tick) -> messages.Ended:
        """Run the flow."""
        info = workflow.info()
        at = info.typed_search_attributes.get(SCHEDULED) or info.start_time
        run = ticks.tick_run(at, info.first_execution_run_id)
        fired = replace(flow, at=flow.at or utc_text(at), run=flow.run or run)
        found = await _drive(deque(), fired)
        assert isinstance(found, messages.Ended)
        return found


@workflow.defn(name="flowstone.Sense")
class Sense:
    """Look for news once."""

    @workflow.run
    async def run(self, flow: ticks.Sense) -> ticks.Checked:
        """Run the flow."""
        look = flow.tick or workflow.info().first_execution_run_id
        found = await _drive(deque(), replace(flow, tick=look))
        assert isinstance(found, ticks.Checked)
        return found


WORKFLOWS = [Materialize, Backfill, Shard, Tick, Sense]


async def _drive(bells: deque[str], flow: AnyFlow) -> AnyEnd:
    try:
        found = await take_flow(TemporalEngine(bells), flow)
    except FlowstoneError as error:
        _fail(error)
    if isinstance(found, AnyFlow):
        workflow.continue_as_new(found)
    if isinstance(found, messages.Ended) and found.status == "cancelled":
        raise asyncio.CancelledError
    if isinstance(found, messages.Ended) and found.error is not None:
        _fail(from_data(found.error))
    return found


def _fail(error: FlowstoneError) -> NoReturn:
    """Turn an error of the house into Temporal's, with its data: the one place."""
    raise ApplicationError(
        error.message, error.to_data(), type=type(error).__name__, non_retryable=True
    ) from None
