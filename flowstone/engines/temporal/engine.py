"""The engine of a workflow: steps are activities, children are child workflows."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast

from temporalio import workflow

from flowstone.core.messages import Ended, Flow, Shard, ShardEnded, Step
from flowstone.core.report import shard_summary
from flowstone.engines.temporal.ids import (
    BEAT_TIMEOUT,
    FOREVER,
    RETRIES,
    activity_name,
    workflow_name,
)

__all__ = ["TemporalEngine"]

R = TypeVar("R")

_DETAILS = 18_000
_SUMMARY = 200


class TemporalEngine:
    """Drives one flow in a workflow.

    Args:
        bells: what signals have rung, the oldest first.
    """

    def __init__(self, bells: deque[str]) -> None:
        self._bells = bells

    async def do(self, step: Step[R], summary: str = "") -> R:
        """Do a step as an activity."""
        found: Any = await workflow.execute_activity(
            activity_name(type(step)),
            step,
            result_type=cast("type", type(step).answer),
            start_to_close_timeout=FOREVER,
            heartbeat_timeout=BEAT_TIMEOUT,
            retry_policy=RETRIES,
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            summary=summary[:_SUMMARY] or None,
        )
        return cast("R", found)

    async def spawn(self, flow: Flow[R], name: str) -> R:
        """Run a child workflow, under this one's id and its name."""
        found: Any = await workflow.execute_child_workflow(
            workflow_name(type(flow)),
            flow,
            id=f"{workflow.info().workflow_id}/{name}",
            result_type=ShardEnded if isinstance(flow, Shard) else Ended,
            cancellation_type=workflow.ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
            static_summary=(shard_summary(flow) if isinstance(flow, Shard) else name),
        )
        return cast("R", found)

    async def sleep(self, delay: timedelta, why: str) -> None:
        """Wait by a durable timer."""
        await workflow.sleep(delay, summary=why[:_SUMMARY])

    async def doorbell(self) -> str:
        """Wait for a signal."""
        await workflow.wait_condition(lambda: bool(self._bells))
        return self._bells.popleft()

    def now(self) -> datetime:
        """Give the time of the workflow task."""
        return workflow.now()

    def show(self, details: Callable[[], str]) -> None:
        """Set the details on the workflow's page.

        On a replay too: a run that ended, or waits for a week, is in no worker's cache,
        and the page asks the one that replays it.
        """
        workflow.set_current_details(details()[:_DETAILS])

    @property
    def outdated(self) -> bool:
        """Whether another version of the worker is current than the run's own."""
        # Experimental in the SDK: nothing else of the house asks it.
        return workflow.info().is_target_worker_deployment_version_changed()

    @property
    def history_full(self) -> bool:
        """Whether the server suggests to continue as new."""
        return workflow.info().is_continue_as_new_suggested()
