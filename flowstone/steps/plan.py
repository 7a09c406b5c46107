"""Make a run's plan, and read it again."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import cast, get_args

from flowstone.core import plan as planning
from flowstone.core.along import taken_along
from flowstone.core.errors import RunError, UpstreamMissing
from flowstone.core.events import BackfillStarted, Event, RunStarted
from flowstone.core.messages import (
    Ended,
    First,
    MakePlan,
    Planned,
    ReadPlan,
    Request,
    RunAssets,
    Status,
)
from flowstone.core.partition import PartitionKey
from flowstone.core.plan import Plan
from flowstone.core.replies import NotHere
from flowstone.ledger.base import LIVE, RunRow, Version
from flowstone.steps.cells import note_absence
from flowstone.steps.running import run_assets
from flowstone.steps.toolbox import Call, Job, Toolbox

__all__ = ["make_plan", "read_plan"]


def make_plan(
    toolbox: Toolbox, call: Call, step: MakePlan
) -> Planned | NotHere | Ended:
    """Write the plan of a run; answer what its flow needs to know of it."""
    found = _plan(toolbox, call, step.request)
    if step.along and isinstance(found, Planned):
        return _make_along(toolbox, call, step.request, found)
    return found


def _make_along(
    toolbox: Toolbox, call: Call, request: Request, planned: Planned
) -> Planned:
    """Make all of a run at once, where it is known to be short."""
    cells = taken_along(planned.skeleton, request, datetime.now(UTC))
    if not cells:
        return planned
    # Its number is below all that the flow gives: whoever is asked later takes over.
    step = RunAssets(
        run=request.run, dispatch=0, cells=cells, budget=request.budget, last=True
    )
    reply = run_assets(toolbox, call, step)
    return replace(planned, first=First(cells=[c.node for c in cells], reply=reply))


def _plan(toolbox: Toolbox, call: Call, request: Request) -> Planned | NotHere | Ended:
    row = toolbox.ledger.runs.get(request.run)
    if row is None and request.verb == "backfill":
        return _forgotten(request)
    row = row or _row(call, request)
    if request.asset not in toolbox.pipeline:
        return _absent(toolbox, row)
    if row.plan is not None:
        return _planned_before(toolbox, row)
    upstream = request.verb != "materialize"
    plan = planning.make_plan(
        toolbox.name, toolbox.pipeline, request.asset, upstream=upstream
    )
    given = _given(toolbox, plan, row.keys[0])
    started = _started(request, row)
    written = toolbox.ledger.runs.plan(row, plan, given, [started])
    if written == "ended":
        return Ended(status="cancelled", error=None)
    if written == "ours":
        planned = replace(row, status="running", plan=plan.digest)
        toolbox.remember(Job(run=planned, plan=plan))
    toolbox.telemetry.emit([started])
    return _answered(toolbox, row)


def _planned_before(toolbox: Toolbox, row: RunRow) -> Planned | Ended:
    """Answer again what an earlier attempt has written, and whose reply was lost."""
    if row.status not in LIVE:
        error = None if row.error is None else row.error.to_data()
        status = row.status if row.status in get_args(Status) else "cancelled"
        return Ended(status=cast("Status", status), error=error)
    return _answered(toolbox, row)


def _answered(toolbox: Toolbox, row: RunRow) -> Planned | Ended:
    # As it is written: another attempt may have been first, with other code.
    job = toolbox.job(row.id)
    assert job is not None, "its plan is written"
    absent = _without_value(toolbox, job)
    missing = _missing(job.plan, absent)
    if missing:
        return _end_without(toolbox, row, row.request, missing)
    return _planned(toolbox, job, absent)


def read_plan(toolbox: Toolbox, call: Call, step: ReadPlan) -> Planned:
    """Give a flow its skeleton again."""
    del call
    job = toolbox.job(step.run)
    if job is None:
        raise LookupError(f"run {step.run} has no plan in the ledger")  # noqa: EM102
    if step.adopt:
        job = _adopted(toolbox, job)
    return _planned(toolbox, job, _without_value(toolbox, job))


def _adopted(toolbox: Toolbox, job: Job) -> Job:
    """Plan what is not made yet with the code that is here, where the graph is the same.

    Otherwise the run waits for a worker that has its code, and says so.
    """
    request = job.run.request
    if request.asset not in toolbox.pipeline:
        return job
    plan = planning.make_plan(
        toolbox.name,
        toolbox.pipeline,
        request.asset,
        upstream=request.verb != "materialize",
    )
    same = plan.digest == job.plan.digest or not plan.is_shaped_as(job.plan)
    if same or not toolbox.ledger.runs.adopt(job.run.id, plan):
        return job
    moved = Job(run=replace(job.run, plan=plan.digest), plan=plan)
    toolbox.remember(moved)
    return moved


def _forgotten(request: Request) -> Ended:
    # Its keys were nowhere but in its row.
    error = RunError(
        reason=f"The ledger has no row of the backfill of {request.asset!r}: it may "
        "have lost its last transactions. Start the backfill again.",
        run_id=request.run,
    )
    return Ended(status="failed", error=error.to_data())


def _absent(toolbox: Toolbox, row: RunRow) -> NotHere:
    absent = NotHere(
        why=f"No worker of {toolbox.name!r} that answered has the asset "
        f"{row.request.asset!r}; start one that has it."
    )
    toolbox.ledger.runs.begin(row)
    note_absence(toolbox, row.request, absent)
    return absent


def _started(request: Request, row: RunRow) -> Event:
    key, at = row.request.key or "-", datetime.now(UTC)
    if request.verb == "backfill":
        return BackfillStarted(
            asset=request.asset, key=key, run=request.run, at=at, keys=len(row.keys)
        )
    return RunStarted(
        asset=request.asset, key=key, run=request.run, at=at, verb=request.verb
    )


def _row(call: Call, request: Request) -> RunRow:
    """Write the row anew, from what the run itself carries."""
    return RunRow(
        request=request,
        workflow=call.workflow,
        keys=[request.key or "-"],
        request_hash="",
        actor="recovered",
    )


def _given(toolbox: Toolbox, plan: Plan, key: str) -> dict[int, Version | None]:
    """Pin the versions of what the run takes as it is."""
    nodes = {i: n for i, n in enumerate(plan.nodes) if n.given}
    places = {
        i: (f"{toolbox.name}/{n.asset}", PartitionKey("-" if n.single else key).text)
        for i, n in nodes.items()
    }
    found = toolbox.ledger.runs.current(list(places.values()))
    return {i: found.get(place) for i, place in places.items()}


def _without_value(toolbox: Toolbox, job: Job) -> list[int]:
    """Give the nodes that a run was given and that have no value."""
    given = any(node.given for node in job.plan.nodes)
    return toolbox.ledger.runs.absent(job.run.id) if given else []


def _missing(plan: Plan, absent: Collection[int]) -> list[str]:
    return [
        plan.nodes[e.node].asset
        for e in plan.nodes[plan.target].edges
        if not e.optional and e.node in absent
    ]


def _end_without(
    toolbox: Toolbox, row: RunRow, request: Request, missing: list[str]
) -> Ended:
    error = UpstreamMissing(
        asset=request.asset,
        partition=request.key or "-",
        missing=tuple(missing),
        run_id=request.run,
    )
    toolbox.telemetry.emit(toolbox.ledger.runs.end(row, "failed", error=error))
    return Ended(status="failed", error=error.to_data())


def _planned(toolbox: Toolbox, job: Job, absent: Sequence[int]) -> Planned:
    millis = toolbox.ledger.runs.durations(
        [f"{toolbox.name}/{n.asset}" for n in job.plan.nodes if not n.given]
    )
    skeleton = planning.make_skeleton(
        job.plan,
        {asset.split("/", 1)[1]: taken for asset, taken in millis.items()},
        absent,
    )
    return Planned(skeleton=skeleton, keys=len(job.run.keys))
