"""What an app wants Temporal to have, and what it has, in the same words.

What was declared travels in the schedule's own input, so that it can be compared: the
server keeps no expression as it was written.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast

from temporalio.api.common.v1 import Payload
from temporalio.client import Schedule as Kept
from temporalio.client import (
    ScheduleActionStartWorkflow,
    ScheduleDescription,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
)
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.converter import DataConverter

from flowstone.core.cron import warnings_of
from flowstone.core.schedule import LEAST_CATCH_UP, Overlap, Schedule
from flowstone.core.sensor import Sensor
from flowstone.core.ticks import Sense, Tick
from flowstone.core.timetable import What
from flowstone.engines.temporal.ids import ASSET, task_queue, workflow_name
from flowstone.steps.toolbox import Toolbox

__all__ = [
    "Wanted",
    "declared",
    "facts_of",
    "overlap_policy",
    "prefix_of",
    "surprises",
    "wanted_by",
]

_OURS = ("queue", "workflow")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A schedule as the server should have it.

    Attributes:
        id: the server's id of it.
        cron: its expression, if it goes by one.
        timezone: the zone in which that is meant.
        declared: what the app says of it, as JSON.
        kept: the same as the server's client has it.
    """

    what: What
    name: str
    id: str
    declared: str
    kept: Kept
    cron: str = ""
    timezone: str = "UTC"


def prefix_of(pipeline: str) -> str:
    """Give what the ids of an app's schedules begin with."""
    return f"flowstone/{pipeline}/"


def wanted_by(toolbox: Toolbox) -> list[Wanted]:
    """Give all that an app declares."""
    return [
        *(_of_schedule(toolbox.name, s) for s in toolbox.schedules.values()),
        *(_of_sensor(toolbox.name, s) for s in toolbox.sensors.values()),
    ]


def _of_schedule(pipeline: str, schedule: Schedule) -> Wanted:
    said = json.dumps(schedule.declared(), sort_keys=True)
    identity = f"{prefix_of(pipeline)}schedule/{schedule.name}"
    attributes = [SearchAttributePair(ASSET, schedule.asset)]
    action = ScheduleActionStartWorkflow(
        workflow_name(Tick),
        Tick(pipeline=pipeline, schedule=schedule.name, declared=said),
        id=identity,
        task_queue=task_queue(pipeline),
        static_summary=f"{schedule.name}: {schedule.asset}",
        typed_search_attributes=TypedSearchAttributes(attributes),
    )
    spec = ScheduleSpec(
        cron_expressions=[schedule.cron],
        time_zone_name=schedule.timezone,
        jitter=schedule.jitter,
    )
    policy = SchedulePolicy(
        overlap=overlap_policy(schedule.overlap), catchup_window=schedule.catch_up
    )
    return Wanted(
        what="schedule",
        name=schedule.name,
        id=identity,
        cron=schedule.cron,
        timezone=schedule.timezone,
        declared=said,
        kept=Kept(action=action, spec=spec, policy=policy),
    )


def _of_sensor(pipeline: str, sensor: Sensor) -> Wanted:
    said = json.dumps(sensor.declared(), sort_keys=True)
    identity = f"{prefix_of(pipeline)}sensor/{sensor.name}"
    action = ScheduleActionStartWorkflow(
        workflow_name(Sense),
        Sense(pipeline=pipeline, sensor=sensor.name, declared=said),
        id=identity,
        task_queue=task_queue(pipeline),
        static_summary=f"look: {sensor.name}",
    )
    # Looks that were missed are made up for by the next one.
    policy = SchedulePolicy(
        overlap=ScheduleOverlapPolicy.SKIP, catchup_window=LEAST_CATCH_UP
    )
    return Wanted(
        what="sensor",
        name=sensor.name,
        id=identity,
        declared=said,
        kept=Kept(
            action=action,
            spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=sensor.every)]),
            policy=policy,
        ),
    )


def overlap_policy(word: Overlap) -> ScheduleOverlapPolicy:
    """Give the server's word for an overlap policy."""
    return ScheduleOverlapPolicy[word.upper()]


def declared(wanted: Wanted) -> dict[str, object]:
    """Give what an app declares, to be compared with `facts_of`."""
    action = cast("ScheduleActionStartWorkflow", wanted.kept.action)
    ours = {"queue": action.task_queue, "workflow": action.workflow}
    return {**json.loads(wanted.declared), **ours}


async def facts_of(
    found: ScheduleDescription, converter: DataConverter
) -> dict[str, object]:
    """Give what the server has, as the app would declare it."""
    action = cast("ScheduleActionStartWorkflow", found.schedule.action)
    policy, spec = found.schedule.policy, found.schedule.spec
    payloads = cast("list[Payload]", action.args)
    kind = Sense if action.workflow == workflow_name(Sense) else Tick
    [flow] = await converter.decode(payloads, [kind])
    said = json.loads(cast("Tick | Sense", flow).declared or "{}")
    kept = {
        "catch_up": (policy.catchup_window or timedelta(0)).total_seconds(),
        "jitter": (spec.jitter or timedelta(0)).total_seconds(),
        "overlap": ScheduleOverlapPolicy(policy.overlap).name.lower(),
        "queue": action.task_queue,
        "timezone": spec.time_zone_name or "UTC",
        "workflow": action.workflow,
        "every": sum(i.every.total_seconds() for i in spec.intervals),
    }
    # Of what is not declared, the server's own default is nobody's affair.
    return {**said, **{k: v for k, v in kept.items() if k in said or k in _OURS}}


def surprises(wanted: Iterable[Wanted]) -> list[str]:
    """Say what may surprise in expressions."""
    today = datetime.now(UTC).date()
    return [
        f"{w.name}: {text}"
        for w in wanted
        if w.cron
        for text in warnings_of(w.cron, w.timezone, today)
    ]
