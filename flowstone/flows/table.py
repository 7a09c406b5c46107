"""Which flow does what: the one dispatch that both engines use."""

from __future__ import annotations

from typing import assert_never

from flowstone.core.messages import Backfill, Ended, Materialize, Shard, ShardEnded
from flowstone.core.ticks import Checked, Sense, Tick
from flowstone.flows.backfill import backfill, shard
from flowstone.flows.engine import Engine
from flowstone.flows.materialize import materialize
from flowstone.flows.sense import sense
from flowstone.flows.tick import tick

__all__ = ["AnyEnd", "AnyFlow", "take_flow"]

AnyFlow = Materialize | Backfill | Shard | Tick | Sense
AnyEnd = Ended | ShardEnded | Checked


async def take_flow(engine: Engine, flow: AnyFlow) -> AnyEnd | AnyFlow:
    """Run a flow; a flow as its answer asks to be continued as new."""
    match flow:
        case Materialize():
            return await materialize(engine, flow)
        case Backfill():
            return await backfill(engine, flow)
        case Shard():
            return await shard(engine, flow)
        case Tick():
            return await tick(engine, flow)
        case Sense():
            return await sense(engine, flow)
        case _:
            assert_never(flow)
