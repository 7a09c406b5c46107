"""A backfill with a bad day: the others go on, and the report names what failed."""

import asyncio
from datetime import date

from flowstone import Client, Context, Flowstone, Pipeline, UpstreamFailed, asset, daily

WEEK = list(daily(date(2025, 1, 6), date(2025, 1, 12)))
BAD = date(2025, 1, 9)


@asset
def readings(ctx: Context) -> list[int]:
    if ctx.partition == BAD:
        raise OSError("the sensor was off")
    assert isinstance(ctx.partition, date)
    return [ctx.partition.day, 1]


@asset
def mean(readings: list[int]) -> float:
    return sum(readings) / len(readings)


app = Flowstone("sensors", Pipeline(readings, mean))


async def main(stone: Client) -> None:
    run = await stone.backfill(mean, WEEK)
    report = await run.result()
    assert (report.succeeded, report.failed, report.skipped) == (6, 1, 0)
    assert report.outcomes[BAD] == "failed"
    error = report.errors[BAD]
    assert isinstance(error, UpstreamFailed)
    assert error.upstream == "readings"
    assert (await run.wait()).status == "failed"

    # Only what is missing is tried again.
    again = await (await stone.backfill(mean, WEEK)).result()
    assert (again.succeeded, again.failed, again.skipped) == (0, 1, 6)

    # Told to stop, it starts nothing more after a failure.
    later = [BAD, *daily(date(2025, 2, 1), date(2025, 2, 3))]
    halted = await stone.backfill(readings, later, max_parallel=1, on_failure="stop")
    report = await halted.result()
    assert (report.succeeded, report.failed, report.cancelled) == (0, 1, 3)


async def run() -> None:
    async with app.local() as stone:
        await main(stone)


if __name__ == "__main__":
    asyncio.run(run())
