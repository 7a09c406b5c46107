"""Timeout: an attempt that takes too long fails, and counts as any failure does."""

import asyncio
import time
from datetime import timedelta

from flowstone import AssetFailed, Client, Context, Flowstone, Pipeline, Retry, asset

SHORT, LONG = timedelta(milliseconds=50), 5.0


@asset(timeout=SHORT)
async def stuck() -> str:
    """An async function is cancelled where it waits."""
    await asyncio.sleep(LONG)
    return "too late"


@asset(timeout=timedelta(seconds=1), retry=Retry(attempts=2, delay=SHORT))
def slow_start(ctx: Context) -> str:
    """The first attempt is left behind; the second is quick."""
    if ctx.attempt == 1:
        time.sleep(1.2)
    return f"made by attempt {ctx.attempt}"


app = Flowstone("timeout", Pipeline(stuck, slow_start))


async def main(stone: Client) -> None:
    began = time.monotonic()
    outcome = await (await stone.materialize(stuck)).wait()
    assert isinstance(outcome.error, AssetFailed)
    assert outcome.error.error_type == "TimeoutError"
    assert "ran longer than its timeout of 0:00:00.05" in outcome.error.error
    assert time.monotonic() - began < LONG

    run = await stone.materialize(slow_start)
    assert await run.result() == "made by attempt 2"


async def run() -> None:
    async with app.local() as stone:
        await main(stone)


if __name__ == "__main__":
    asyncio.run(run())
