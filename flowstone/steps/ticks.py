"""Say what a schedule makes when it fires, and write the row of that run."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from flowstone.core.errors import FlowstoneError, RunError
from flowstone.core.events import ScheduleFailed, ScheduleFired
from flowstone.core.messages import Ended, Request
from flowstone.core.partition import PartitionKey
from flowstone.core.replies import NotHere
from flowstone.core.schedule import Schedule, utc_text
from flowstone.core.ticks import Resolved, ResolveTick
from flowstone.ledger.asked import request_hash
from flowstone.ledger.base import RunRow
from flowstone.steps.invoke import told
from flowstone.steps.toolbox import Call, Toolbox

__all__ = ["begin_tick", "resolve_tick"]


def resolve_tick(
    toolbox: Toolbox, call: Call, step: ResolveTick
) -> Resolved | NotHere | Ended:
    """Answer what a fire makes; the same, however often it is asked."""
    known = toolbox.ledger.runs.get(step.run)
    if known is not None:
        return Resolved(request=known.request)
    schedule = toolbox.schedules.get(step.schedule)
    if schedule is None:
        return NotHere(
            why=f"No worker of {toolbox.name!r} that answered has the schedule "
            f"{step.schedule!r}; start one that has it, or apply the schedules anew."
        )
    at = datetime.fromisoformat(step.at)
    try:
        row = begin_tick(
            toolbox,
            schedule,
            at,
            run=step.run,
            workflow=call.workflow,
            actor=f"schedule:{schedule.name}",
        )
    except FlowstoneError as error:
        return _fail(toolbox, schedule, at, error)
    return Resolved(request=row.request)


def begin_tick(
    toolbox: Toolbox,
    schedule: Schedule,
    at: datetime,
    *,
    run: str,
    workflow: str,
    actor: str,
    owner: str = "",
) -> RunRow:
    """Write the row of the run that a fire makes.

    Args:
        toolbox: where the ledger is.
        schedule: which one has fired.
        at: when it should have.
        run: the run's id; where it has a row already, nothing is written.
        workflow: that of the fire, which awaits the run.
        actor: who asks, for the audit log.
        owner: what proves that the process of the run lives, where it needs one.

    Raises:
        RunError: the partition function raised.
        BadPartition: the partition is none of the asset's, or of what it needs.
    """
    key = _key(schedule, at, run)
    toolbox.pipeline.check_keys(schedule.asset, key, upstream=schedule.upstream)
    row = RunRow(
        request=_request(toolbox, schedule, key, at, run=run, workflow=workflow),
        workflow=f"{workflow}/run/{run}",
        keys=[key.text],
        request_hash="",
        actor=actor,
        owner=owner,
    )
    row = replace(row, request_hash=request_hash(row.request, row.keys))
    fired = ScheduleFired(
        asset=schedule.asset,
        key=key.text,
        run=run,
        at=datetime.now(UTC),
        schedule=schedule.name,
        scheduled_at=utc_text(at),
    )
    found = toolbox.ledger.runs.begin(row, [fired])
    toolbox.telemetry.emit([fired])
    return found


def _request(
    toolbox: Toolbox,
    schedule: Schedule,
    key: PartitionKey,
    at: datetime,
    *,
    run: str,
    workflow: str,
) -> Request:
    return Request(
        run=run,
        verb="materialize_all" if schedule.upstream else "materialize",
        pipeline=toolbox.name,
        asset=schedule.asset,
        key="" if key.is_none else key.text,
        policy=schedule.policy,
        schedule=schedule.name,
        scheduled_at=utc_text(at),
        tick=workflow,
    )


def _key(schedule: Schedule, at: datetime, run: str) -> PartitionKey:
    try:
        value = schedule.key_of(at)
    except FlowstoneError:
        raise
    except Exception as error:
        name, text, _ = told(error)
        reason = (
            f"The partition function of the schedule {schedule.name!r} raised {name} "
            f"for {utc_text(at)}: {text}"
        )
        raise RunError(reason=reason, run_id=run) from error
    return PartitionKey.of(value)


def _fail(
    toolbox: Toolbox, schedule: Schedule, at: datetime, error: FlowstoneError
) -> Ended:
    failed = ScheduleFailed(
        asset=schedule.asset,
        outcome="failed",
        at=datetime.now(UTC),
        schedule=schedule.name,
        scheduled_at=utc_text(at),
        why=error.message,
    )
    toolbox.ledger.runs.note(failed)
    toolbox.telemetry.emit([failed])
    return Ended(status="failed", error=error.to_data())
