"""Make one asset at one key, alone or with all that it needs."""

from __future__ import annotations

from flowstone.core.messages import Carried, Ended, Materialize
from flowstone.core.state import RunState
from flowstone.core.table import cut_short, read_table
from flowstone.flows.engine import Engine
from flowstone.flows.frame import end, make_plan, read_plan
from flowstone.flows.settle import Settling

__all__ = ["materialize"]


async def materialize(engine: Engine, flow: Materialize) -> Ended | Materialize:
    """Run the flow; a `Materialize` as its answer asks to be continued as new."""
    request = flow.request
    planned, cancelled = await (
        make_plan(engine, request, along=True)
        if flow.carried is None
        else read_plan(engine, request, moved=flow.moved)
    )
    if isinstance(planned, Ended):
        return planned
    if planned is None:
        if not cancelled:
            return flow
        return await end(engine, request, "cancelled", _unplanned(flow.carried))
    state = RunState(planned.skeleton, request, carried=flow.carried)
    settling = Settling(
        engine, state, parallel=request.parallel, whole=True, cancelled=cancelled
    )
    if planned.first is not None:
        settling.take(planned.first)
    if not await settling.run():
        return Materialize(
            request=request, carried=state.carry(), moved=engine.outdated
        )
    if settling.ended:
        return Ended(status="succeeded")
    status = "cancelled" if settling.cut else state.status
    return await end(engine, request, status, state.table)


def _unplanned(carried: Carried | None) -> bytes:
    return b"" if carried is None else cut_short(read_table(carried.table))
