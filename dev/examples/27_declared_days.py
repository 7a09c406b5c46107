"""A space with both ends: a backfill without partitions makes every key of it."""

import asyncio
from datetime import date

from flowstone import BadPartition, Client, Context, Flowstone, Pipeline, asset, daily

FIRST, LAST = date(2024, 1, 1), date(2024, 1, 3)


@asset(partitions=daily(FIRST, LAST))
def value_of_day(ctx: Context) -> tuple[str, date]:
    assert isinstance(ctx.partition, date)
    return ("value", ctx.partition)


@asset(partitions=daily(FIRST))
def endless_days(ctx: Context) -> str:
    return str(ctx.partition)


app = Flowstone("days", Pipeline(value_of_day, endless_days))


async def main(stone: Client) -> None:
    run = await stone.backfill(value_of_day)
    report = await run.result()
    assert report.succeeded == 3
    for day in daily(FIRST, LAST):
        assert await stone.value(value_of_day, day) == ("value", day)

    # A space that is open at its end does not say when to stop.
    refused = ""
    try:
        await stone.backfill(endless_days)
    except BadPartition as error:
        refused = error.message
    assert "name the partitions" in refused


async def run() -> None:
    async with app.local() as stone:
        await main(stone)


if __name__ == "__main__":
    asyncio.run(run())
