"""The engine of a workflow: steps are activities, children are child workflows."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast

from temporalio import workflow
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.exceptions import ApplicationError, CancelledError, ChildWorkflowError

from flowstone.core.errors import RunError
from flowstone.core.messages import Ended, Flow, Materialize, Shard, ShardEnded, Step
from flowstone.core.report import shard_summary
from flowstone.engines.temporal.ids import (
    ASSET,
    BEAT_TIMEOUT,
    FOREVER,
    MEMO_RUN,
    PARTITION,
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
        if isinstance(flow, Materialize):
            return cast("R", await _materialize(flow, name))
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


async def _materialize(flow: Materialize, name: str) -> Ended:
    """Run a materialization as a child; how it ended is an answer, not a failure."""
    request = flow.request
    where = f" @ {request.key}" if request.key else ""
    try:
        return await workflow.execute_child_workflow(
            workflow_name(Materialize),
            flow,
            id=f"{workflow.info().workflow_id}/{name}",
            result_type=Ended,
            cancellation_type=workflow.ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
            memo={MEMO_RUN: request.run},
            search_attributes=_child_attributes(request.asset, request.key or "-"),
            static_summary=f"{request.asset}{where}"[:_SUMMARY],
        )
    except ChildWorkflowError as error:
        return _ended(error)


def _child_attributes(asset: str, key: str) -> TypedSearchAttributes:
    # What the parent has, the server knows; of one that it does not, no child comes.
    if workflow.info().typed_search_attributes.get(ASSET) is None:
        return TypedSearchAttributes.empty
    return TypedSearchAttributes(
        [SearchAttributePair(ASSET, asset), SearchAttributePair(PARTITION, key[:500])]
    )


def _ended(error: ChildWorkflowError) -> Ended:
    """Read how a child ended that did not succeed."""
    cause = error.cause
    if isinstance(cause, CancelledError):
        return Ended(status="cancelled")
    if isinstance(cause, ApplicationError) and cause.details:
        data = cast("Mapping[str, object]", cause.details[0])
        return Ended(status="failed", error=data)
    gone = RunError(reason=f"Its workflow has ended from outside: {cause or error}.")
    return Ended(status="failed", error=gone.to_data())
