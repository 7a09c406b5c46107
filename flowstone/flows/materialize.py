"""Make one asset at one key, alone or with all that it needs."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from flowstone.core.messages import (
    Ended,
    EndRun,
    MakePlan,
    Materialize,
    NotHere,
    Planned,
    ReadPlan,
    Request,
    Status,
)
from flowstone.core.state import RunState
from flowstone.core.table import write_table
from flowstone.flows.engine import Engine
from flowstone.flows.settle import Settling

__all__ = ["end", "make_plan", "materialize"]


async def materialize(engine: Engine, flow: Materialize) -> Ended | Materialize:
    """Run the flow; a `Materialize` as its answer asks to be continued as new."""
    request = flow.request
    if flow.carried is None:
        planned = await make_plan(engine, request)
    else:
        planned = await engine.do(ReadPlan(run=request.run), "read the plan")
    if isinstance(planned, Ended):
        return planned
    state = RunState(planned.skeleton, request, carried=flow.carried)
    settling = Settling(engine, state, parallel=request.parallel, whole=True)
    if not await settling.run():
        return Materialize(request=request, carried=state.carry())
    if settling.ended:
        return Ended(status="succeeded")
    status = "cancelled" if settling.cancelled else state.status
    return await end(engine, request, status, state.table)


async def make_plan(engine: Engine, request: Request) -> Planned | Ended:
    """Have the plan made, by a worker that has the asset."""
    for asked in range(1_000_000):
        try:
            planned = await engine.do(MakePlan(request=request, again=asked > 0), "plan")
            if not isinstance(planned, NotHere):
                return planned
            why = planned.why
            engine.show(lambda why=why: f"Waiting for a worker: {why}")
            delay = timedelta(seconds=min(0.5 * 2 ** min(asked, 8), 10))
            await engine.sleep(delay, why)
        except asyncio.CancelledError:
            return await end(engine, request, "cancelled", b"")
    raise AssertionError("no worker came in a million asks")


async def end(
    engine: Engine, request: Request, status: Status, table: bytes | bytearray
) -> Ended:
    """Have the run's end written."""
    step = EndRun(run=request.run, status=status, table=write_table(table))
    return await engine.do(step, f"end: {status}")
