"""Runs: whatever is started can be found, followed, joined and cancelled."""

import asyncio
import time

from flowstone import (
    AlreadyRunning,
    Client,
    Context,
    Flowstone,
    Pipeline,
    RunCancelled,
    asset,
)


@asset
def numbers() -> list[int]:
    return [1, 2, 3]


@asset
def endless(numbers: list[int], ctx: Context) -> int:
    """A long loop: `heartbeat` tells how far it is, and ends it when it is cancelled."""
    for turn in range(600):
        ctx.heartbeat(turn)
        time.sleep(0.05)
    return sum(numbers)


app = Flowstone("runs", Pipeline(numbers, endless))


async def main(stone: Client) -> None:
    run = await stone.materialize_all(endless)

    # Starting what already runs joins it; starting it differently is refused.
    assert (await stone.materialize_all(endless)).id == run.id
    other = ""
    try:
        await stone.materialize_all(endless, policy="always")
    except AlreadyRunning as refused:
        other = refused.run_id
    assert other == run.id

    while (await run.progress()).running != 1 or not await stone.exists(numbers):
        await asyncio.sleep(0.02)
    assert await run.status() == "running"
    assert (await stone.status(endless)).state == "running"

    await run.cancel()
    outcome = await run.wait()
    assert outcome.status == "cancelled"
    assert isinstance(outcome.error, RunCancelled)

    # What was made before stays; a key of your own makes a start repeatable.
    mine = await stone.materialize(numbers, key="request-42")
    assert await mine.result() == [1, 2, 3]
    assert (await stone.materialize(numbers, key="request-42")).id == mine.id

    # The newest first; what was refused is there too, with the reason.
    listed = [row.status for row in await stone.runs.list()]
    assert listed == ["succeeded", "not_started", "cancelled"]
    found = await stone.runs.get(run.id)
    assert (await found.wait()).status == "cancelled"


async def run() -> None:
    async with app.local() as stone:
        await main(stone)


if __name__ == "__main__":
    asyncio.run(run())
