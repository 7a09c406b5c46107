"""The app of very many assets that the environment names.

Run by itself, as `python -m dev.benchmarks.many_served KEY PACKS`, it makes them all and
prints JSON: the value, the seconds, and the MiB that it needed at most as a client.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time

from dev.benchmarks.many import make_app, peak_mib

app, target = make_app(
    os.environ["MANY_NAME"],
    os.environ["MANY_SHAPE"],
    int(os.environ["MANY_SIZE"]),
    os.environ["FLOWSTONE_LEDGER_URL"],
)


async def make(key: str, packs: str) -> dict[str, object]:
    """Make all of it at a key; say what came of it."""
    async with app.connect(packs=packs) as stone:
        began = time.perf_counter()
        run = await stone.materialize_all(target, key)
        value = await run.result()
        seconds = round(time.perf_counter() - began, 2)
        [row] = [r for r in await stone.runs.list() if r.id == run.id]
        return {
            "workflow": row.workflow,
            "value": value,
            "seconds": seconds,
            "client_mib": peak_mib(os.getpid()),
        }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(make(sys.argv[1], sys.argv[2]))), flush=True)
    # Temporal's runtime may abort an interpreter that ends while its threads live.
    os._exit(0)
