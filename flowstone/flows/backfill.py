"""Make one asset, with all that it needs, at many keys: a root, and shards of keys."""

from __future__ import annotations

import asyncio

from flowstone.core.messages import (
    Backfill,
    Ended,
    Planned,
    ReadPlan,
    Request,
    Shard,
    ShardEnded,
)
from flowstone.core.state import RunState
from flowstone.core.table import State, read_table, write_table
from flowstone.flows.aio import Window
from flowstone.flows.engine import Engine
from flowstone.flows.materialize import end, make_plan
from flowstone.flows.settle import Settling

__all__ = ["backfill", "shard"]

_KEYS_PER_SHARD = 500
_MOST_SHARDS = 8


async def backfill(engine: Engine, flow: Backfill) -> Ended:
    """Run the root: what all keys share, then shards, then the end."""
    request = flow.request
    planned = await make_plan(engine, request)
    if isinstance(planned, Ended):
        return planned
    common = RunState(planned.skeleton, request, common=_shared_only(planned))
    settling = Settling(engine, common, parallel=request.parallel)
    await settling.run()
    row = [s if s != State.OUT else State.PENDING for s in common.table]
    shards = [] if settling.cancelled else _shards(request, planned.keys, row)
    ended, cancelled = await _run_shards(engine, shards, request)
    cancelled = cancelled or settling.cancelled
    table = b"".join(read_table(s.table) for s in ended)
    width = len(planned.skeleton.names)
    targets = set(table[width - 1 :: width]) or set(row[-1:])
    failed = bool(targets & {State.FAILED, State.BLOCKED})
    status = "cancelled" if cancelled else "failed" if failed else "succeeded"
    return await end(engine, request, status, table or bytes(row))


async def shard(engine: Engine, flow: Shard) -> ShardEnded | Shard:
    """Run one shard; a `Shard` as its answer asks to be continued as new."""
    request = flow.request
    planned = await engine.do(ReadPlan(run=request.run), "read the plan")
    state = RunState(
        planned.skeleton,
        request,
        first=flow.first,
        count=flow.count,
        common=read_table(flow.common),
        carried=flow.carried,
    )
    settling = Settling(engine, state, parallel=flow.parallel)
    if not await settling.run(stop_at_failure=request.on_failure == "stop"):
        return Shard(
            request=request,
            number=flow.number,
            first=flow.first,
            count=flow.count,
            parallel=flow.parallel,
            common=flow.common,
            carried=state.carry(),
        )
    return ShardEnded(
        number=flow.number, table=write_table(state.table), failed=state.failed
    )


def _shared_only(planned: Planned) -> bytearray:
    """Give the first row of states in which only what all keys share is to do."""
    skeleton = planned.skeleton
    row = bytearray([State.OUT] * len(skeleton.names))
    for node in skeleton.single:
        row[node] = State.PENDING
    return row


def _shards(request: Request, keys: int, row: list[int]) -> list[Shard]:
    """Cut the keys into stretches, and the window into their shares."""
    wanted = max(2, -(-keys // _KEYS_PER_SHARD))
    count = max(1, min(wanted, _MOST_SHARDS, request.parallel, keys))
    common = write_table(row)
    bounds = [keys * i // count for i in range(count + 1)]
    return [
        Shard(
            request=request,
            number=i,
            first=bounds[i],
            count=bounds[i + 1] - bounds[i],
            parallel=request.parallel * (i + 1) // count - request.parallel * i // count,
            common=common,
        )
        for i in range(count)
    ]


async def _run_shards(
    engine: Engine, shards: list[Shard], request: Request
) -> tuple[list[ShardEnded], bool]:
    window: Window[int, ShardEnded] = Window(engine, len(shards))
    for flow in shards:
        window.start(flow.number, engine.spawn(flow, f"shard/{request.run}/{flow.number}"))
    found: dict[int, ShardEnded] = {}
    cancelled = False
    try:
        while window.busy:
            try:
                done, _ = await window.next(until=None)
            except asyncio.CancelledError:
                cancelled = True
                window.cancel()
                continue
            for number, reply in done:
                if isinstance(reply, asyncio.CancelledError):
                    cancelled = True
                elif isinstance(reply, BaseException):
                    raise reply
                else:
                    found[number] = reply
                    if reply.failed and request.on_failure == "stop":
                        window.cancel()
    finally:
        window.close()
    return [found[n] for n in sorted(found)], cancelled
