"""Context: a parameter named `ctx` tells a function about its run, and listens to it."""

import asyncio
from datetime import timedelta

from flowstone import Client, Context, Flowstone, Pipeline, Retry, asset

SOON = timedelta(milliseconds=20)


@asset(retry=Retry(attempts=2, delay=SOON))
def import_file(ctx: Context) -> dict[str, str | int]:
    ctx.log.info("attempt %d", ctx.attempt)  # the log names run, asset and partition
    if ctx.attempt == 1:
        raise TimeoutError("the share was asleep")
    lines = ["id;name", "1;tea", "2;cup"]
    for done, _ in enumerate(lines, start=1):
        ctx.progress(done, len(lines))  # shown live; raises when the run is cancelled
    ctx.metadata(rows=len(lines) - 1, separator=";")  # kept with the version
    return {
        "asset": ctx.asset,
        "partition": str(ctx.partition),
        "attempt": ctx.attempt,
        "rows": len(lines) - 1,
    }


@asset
def same_run(import_file: dict[str, str | int], ctx: Context) -> bool:
    """Each call has its own context; the run is the same."""
    assert import_file["attempt"] == 2
    return ctx.attempt == 1 and bool(ctx.run_id) and not ctx.cancelled


app = Flowstone("context", Pipeline(import_file, same_run))


async def main(stone: Client) -> None:
    assert await (await stone.materialize_all(same_run, "eu")).result() is True
    assert await stone.value(import_file, "eu") == {
        "asset": "import_file",
        "partition": "eu",
        "attempt": 2,
        "rows": 2,
    }

    # In a unit test, a context is made by hand.
    by_hand = Context(asset="import_file", partition="us", attempt=2)
    assert import_file(by_hand)["partition"] == "us"


async def run() -> None:
    async with app.local() as stone:
        await main(stone)


if __name__ == "__main__":
    asyncio.run(run())
