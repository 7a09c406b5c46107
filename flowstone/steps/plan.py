"""Make a run's plan, and read it again."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import cast, get_args

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
from flowstone.ledger.base import RunRow, Version
from flowstone.ledger.beginning import Begun
from flowstone.steps.along import Taken, skeleton_of
from flowstone.steps.cells import note_absence
from flowstone.steps.points import reach
from flowstone.steps.running import run_assets
from flowstone.steps.toolbox import Call, Job, Toolbox

__all__ = ["make_plan", "read_plan"]


def make_plan(
    toolbox: Toolbox, call: Call, step: MakePlan
) -> Planned | NotHere | Ended:
    """Write the plan of a run; answer what its flow needs to know of it.

    Where all of the run is known to be short, and its flow asks for that, it is made
    at once.
    """
    request = step.request
    row = _row(toolbox, call, request)
    if row is None:
        return _forgotten(request)
    if request.asset not in toolbox.pipeline:
        return _absent(toolbox, toolbox.ledger.runs.get(request.run) or row)
    plan = toolbox.plan(request.asset, upstream=request.verb != "materialize")
    given = _given(toolbox, plan, row.keys[0])
    absent = [node for node, version in given.items() if version is None]
    taken = Taken(toolbox, plan, absent)
    missing = _missing(plan, absent)
    asks = step.along and call.attempt == 1 and not missing
    if asks:
        reach("open.before")
    started = _started(request, row)
    begun = toolbox.ledger.runs.plan(
        row, plan, given, [started], taken.along(call, request.run) if asks else None
    )
    if begun.state == "ended":
        return _ended_before(begun.run)
    if begun.state == "ours" or call.attempt == 1:
        # A first attempt that finds its plan may have lost the answer to its commit.
        toolbox.telemetry.emit([started])
    if begun.state == "there":
        return _make_again(toolbox, call, step, _planned_before(toolbox, begun))
    toolbox.remember(Job(run=begun.run, plan=plan))
    if missing:
        return _end_without(toolbox, begun.run, request, missing)
    planned = _planned(begun.run, plan, begun.millis, absent)
    return replace(planned, first=taken.make(call, begun))


def _make_again(
    toolbox: Toolbox, call: Call, step: MakePlan, found: Planned | Ended
) -> Planned | Ended:
    """Take over what an earlier attempt may have opened along with the plan.

    A first attempt that finds a plan is late itself: somebody else goes on.
    """
    if not step.along or call.attempt == 1 or isinstance(found, Ended):
        return found
    cells = taken_along(found.skeleton, step.request, datetime.now(UTC))
    if not cells:
        return found
    run, budget = step.request.run, step.request.budget
    asked = RunAssets(run=run, dispatch=0, cells=cells, budget=budget, last=True)
    reply = run_assets(toolbox, call, asked)
    return replace(found, first=First(cells=[c.node for c in cells], reply=reply))


def _ended_before(row: RunRow) -> Ended:
    """Answer again how a run has ended; one without a plan was told to before it had."""
    error = None if row.error is None or row.plan is None else row.error.to_data()
    known = row.plan is not None and row.status in get_args(Status)
    return Ended(
        status=cast("Status", row.status) if known else "cancelled", error=error
    )


def _planned_before(toolbox: Toolbox, begun: Begun) -> Planned | Ended:
    """Answer again what was written before, maybe by other code than is here."""
    job = toolbox.job_of(begun.run)
    assert job is not None, "its plan is written"
    absent = _without_value(toolbox, job)
    missing = _missing(job.plan, absent)
    if missing:
        return _end_without(toolbox, begun.run, begun.run.request, missing)
    return _planned(job.run, job.plan, _durations(toolbox, job.plan), absent)


def read_plan(toolbox: Toolbox, call: Call, step: ReadPlan) -> Planned:
    """Give a flow its skeleton again."""
    del call
    job = toolbox.job(step.run)
    if job is None:
        raise LookupError(f"run {step.run} has no plan in the ledger")  # noqa: EM102
    if step.adopt:
        job = _adopted(toolbox, job)
    absent, millis = _without_value(toolbox, job), _durations(toolbox, job.plan)
    return _planned(job.run, job.plan, millis, absent)


def _adopted(toolbox: Toolbox, job: Job) -> Job:
    """Plan what is not made yet with the code that is here, where the graph is the same.

    Otherwise the run waits for a worker that has its code, and says so.
    """
    request = job.run.request
    if request.asset not in toolbox.pipeline:
        return job
    plan = toolbox.plan(request.asset, upstream=request.verb != "materialize")
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


def _row(toolbox: Toolbox, call: Call, request: Request) -> RunRow | None:
    """Give the row to write where there is none: what the run itself carries.

    The keys of a backfill are in its row alone.
    """
    if request.verb == "backfill":
        return toolbox.ledger.runs.get(request.run)
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


def _durations(toolbox: Toolbox, plan: Plan) -> Mapping[str, int]:
    return toolbox.ledger.runs.durations(
        [f"{toolbox.name}/{n.asset}" for n in plan.nodes if not n.given]
    )


def _planned(
    run: RunRow, plan: Plan, millis: Mapping[str, int], absent: Sequence[int]
) -> Planned:
    return Planned(skeleton=skeleton_of(plan, millis, absent), keys=len(run.keys))
