"""DBOS in the shapes of the benchmark; each step's checkpoint is its one commit.

Reads a line `shape nodes runs` at a time and answers with the seconds it took. Chains
are written with `def`, as that is the faster way here; a fan can only be async.
"""

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable

from dbos import DBOS, DBOSConfig

CONFIG: DBOSConfig = {
    "name": "flowstone-peer",
    "system_database_url": os.environ["PEER_DATABASE_URL"],
    "log_level": "ERROR",
}


@DBOS.step()
def link(value: int) -> int:
    """Do next to nothing."""
    return value + 1


@DBOS.step()
async def branch(value: int) -> int:
    """Do next to nothing, beside others."""
    return value + 1


@DBOS.workflow()
def chain(nodes: int) -> int:
    """Do one step after the other."""
    value = 0
    for _ in range(nodes):
        value = link(value)
    return value


@DBOS.workflow()
async def fan(nodes: int) -> int:
    """Do all steps but the last at once, then the last."""
    values = await asyncio.gather(*(branch(n) for n in range(nodes - 1)))
    return await branch(sum(values))


async def run_chain(nodes: int, runs: int) -> None:
    """Run chains at once: one, or many."""
    handles = [DBOS.start_workflow(chain, nodes) for _ in range(runs)]
    for handle in handles:
        assert await asyncio.to_thread(handle.get_result) == nodes


async def run_fan(nodes: int, runs: int) -> None:
    """Run a fan."""
    del runs
    handle = await DBOS.start_workflow_async(fan, nodes)
    await handle.get_result()


SHAPES: dict[str, Callable[[int, int], Awaitable[None]]] = {
    "chain": run_chain,
    "fan": run_fan,
    "runs": run_chain,
}


async def main() -> None:
    """Answer lines until there are none."""
    DBOS(config=CONFIG)
    DBOS.launch()
    print("ready", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        shape, nodes, runs = line.split()
        began = time.perf_counter()
        await SHAPES[shape](int(nodes), int(runs))
        print(time.perf_counter() - began, flush=True)
    DBOS.destroy()


if __name__ == "__main__":
    asyncio.run(main())
