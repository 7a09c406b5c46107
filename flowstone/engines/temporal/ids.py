"""The names under which Temporal knows things; they are part of histories."""

from __future__ import annotations

from datetime import timedelta

from temporalio.common import RetryPolicy, SearchAttributeKey

__all__ = [
    "ASSET",
    "BEAT_TIMEOUT",
    "FOREVER",
    "MEMO_HASH",
    "MEMO_RUN",
    "PARTITION",
    "RETRIES",
    "SCHEDULED",
    "activity_name",
    "task_queue",
    "workflow_name",
]

ASSET = SearchAttributeKey.for_keyword("FlowstoneAsset")
PARTITION = SearchAttributeKey.for_keyword("FlowstonePartition")
SCHEDULED = SearchAttributeKey.for_datetime("TemporalScheduledStartTime")
"""Set by Temporal on what a schedule starts: when it should have, without jitter."""
MEMO_RUN, MEMO_HASH = "flowstone_run", "flowstone_request"

FOREVER = timedelta(days=3650)
"""How long an activity may last: liveness is the heartbeat's to judge."""

BEAT_TIMEOUT = timedelta(seconds=10)

RETRIES = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(seconds=30),
    maximum_attempts=0,
)
"""For lost workers, databases and stores; user code has its own, in the flow."""


def task_queue(pipeline: str) -> str:
    """Give the queue that an app's workers serve."""
    return f"flowstone.{pipeline}"


def activity_name(step: type[object]) -> str:
    """Give the activity type of a step."""
    return f"flowstone.{step.__name__}"


def workflow_name(flow: type[object]) -> str:
    """Give the workflow type of a flow."""
    return f"flowstone.{flow.__name__}"
