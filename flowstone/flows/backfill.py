"""Make one asset, with all that it needs, at many keys: a root, and shards of keys."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from flowstone.core.board import judge
from flowstone.core.messages import Backfill, Ended, Planned, Request, Shard, ShardEnded
from flowstone.core.report import describe_shards
from flowstone.core.state import RunState
from flowstone.core.table import State, cut_short, read_table, write_table
from flowstone.flows.aio import Window
from flowstone.flows.engine import Engine
from flowstone.flows.frame import end, make_plan, read_plan
from flowstone.flows.settle import Settling

__all__ = ["backfill", "shard"]

_KEYS_PER_SHARD = 500
_KEYS_PER_STOPPING_SHARD = 2_000
_MOST_SHARDS = 8


async def backfill(engine: Engine, flow: Backfill) -> Ended | Backfill:
    """Run the root: what all keys share, then shards, then the end.

    A `Backfill` as its answer asks to be continued as new.
    """
    request = flow.request
    planned, cancelled = await (
        make_plan(engine, request)
        if flow.carried is None
        else read_plan(engine, request, moved=flow.moved)
    )
    if isinstance(planned, Ended):
        return planned
    if planned is None:
        return await end(engine, request, "cancelled", b"") if cancelled else flow
    shared = _shared(planned, flow)
    settling = Settling(engine, shared, parallel=request.parallel, cancelled=cancelled)
    if not await settling.run():
        return Backfill(request=request, carried=shared.carry(), moved=engine.outdated)
    row = bytes(State.PENDING if s == State.OUT else s for s in shared.table)
    shards = _shards(request, planned.keys, row)
    children = _Children(engine, stop_at_failure=request.on_failure == "stop")
    if State.PENDING in row and not settling.cancelled:
        await children.run(shards)
    table = b"".join(children.table(shard, row) for shard in shards)
    cancelled = settling.cancelled or children.cancelled
    targets = table[len(row) - 1 :: len(row)]
    cut = cancelled and State.CANCELLED in table
    return await end(engine, request, "cancelled" if cut else judge(targets), table)


async def shard(engine: Engine, flow: Shard) -> ShardEnded | Shard:
    """Run one shard; a `Shard` as its answer asks to be continued as new."""
    request = flow.request
    planned, cancelled = await read_plan(engine, request, moved=flow.moved)
    if planned is None:
        common = read_table(flow.common) * flow.count
        known = common if flow.carried is None else read_table(flow.carried.table)
        return ShardEnded(number=flow.number, table=write_table(cut_short(known)))
    state = RunState(
        planned.skeleton,
        request,
        first=flow.first,
        count=flow.count,
        common=read_table(flow.common),
        carried=flow.carried,
    )
    settling = Settling(engine, state, parallel=flow.parallel, cancelled=cancelled)
    if not await settling.run(stop_at_failure=request.on_failure == "stop"):
        return Shard(
            request=request,
            number=flow.number,
            first=flow.first,
            count=flow.count,
            parallel=flow.parallel,
            common=flow.common,
            carried=state.carry(),
            moved=engine.outdated,
        )
    return ShardEnded(
        number=flow.number, table=write_table(state.table), failed=state.failed
    )


def _shared(planned: Planned, flow: Backfill) -> RunState:
    """Give a table in which only what all keys share is to do."""
    skeleton = planned.skeleton
    row = bytearray([State.OUT] * len(skeleton.names))
    for node in skeleton.single:
        row[node] = State.PENDING
    return RunState(skeleton, flow.request, common=row, carried=flow.carried)


def _shards(request: Request, keys: int, row: bytes) -> list[Shard]:
    """Cut the keys into stretches, and the window into their shares."""
    # A failure stops at once what is in its own shard, so there are few of them.
    stops = request.on_failure == "stop"
    size = _KEYS_PER_STOPPING_SHARD if stops else _KEYS_PER_SHARD
    wanted = max(1 if stops else 2, -(-keys // size))
    count = max(1, min(wanted, _MOST_SHARDS, request.parallel, keys))
    common = write_table(row)
    bounds = [keys * i // count for i in range(count + 1)]
    shares = [request.parallel * i // count for i in range(count + 1)]
    return [
        Shard(
            request=request,
            number=i,
            first=bounds[i],
            count=bounds[i + 1] - bounds[i],
            parallel=shares[i + 1] - shares[i],
            common=common,
        )
        for i in range(count)
    ]


class _Children:
    """Runs the shards of a backfill.

    Attributes:
        cancelled: whether cancellation was asked for.
    """

    def __init__(self, engine: Engine, *, stop_at_failure: bool) -> None:
        self.cancelled = False
        self._engine = engine
        self._stop_at_failure = stop_at_failure
        self._stopped = False
        self._broken: BaseException | None = None
        self._ended: dict[int, ShardEnded] = {}

    async def run(self, shards: Sequence[Shard]) -> None:
        """Run them all to their end, at once."""
        window: Window[int, ShardEnded] = Window(self._engine, len(shards))
        for flow in shards:
            name = f"shard/{flow.request.run}/{flow.number}"
            window.start(flow.number, self._engine.spawn(flow, name))
        try:
            while window.busy:
                self._show(shards)
                await self._take_in(window)
            self._show(shards)
        finally:
            window.close()
        if self._broken is not None:
            raise self._broken

    def table(self, shard: Shard, row: bytes) -> bytes:
        """Give the states of a shard's cells; of one that was lost, as cancelled."""
        found = self._ended.get(shard.number)
        if found is not None:
            return bytes(read_table(found.table))
        return cut_short(row) * shard.count

    def _show(self, shards: Sequence[Shard]) -> None:
        self._engine.show(lambda: describe_shards(shards, self._ended))

    async def _take_in(self, window: Window[int, ShardEnded]) -> None:
        try:
            done, _ = await window.next(until=None)
        except asyncio.CancelledError:
            self.cancelled = self._stopped = True
            window.cancel()
            return
        before = self._stopped
        for number, reply in done:
            self._fold(number, reply)
        if self._stopped and not before:
            window.cancel()

    def _fold(self, number: int, reply: ShardEnded | BaseException) -> None:
        if not isinstance(reply, BaseException):
            self._ended[number] = reply
            stops = self._stop_at_failure and reply.failed > 0
            self._stopped = self._stopped or stops
        elif not self._stopped and not isinstance(reply, asyncio.CancelledError):
            self._broken = reply
            self._stopped = True
