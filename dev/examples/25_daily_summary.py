"""A daily summary: the same two assets for every day, each day on its own."""

import asyncio
from datetime import date

from flowstone import Client, Context, Flowstone, Pipeline, asset, daily

DAYS = list(daily(date(2025, 1, 15), date(2025, 1, 17)))


@asset(partitions=daily(date(2025, 1, 1)))
def daily_data(ctx: Context) -> str:
    return f"Data generated for {ctx.partition}"


@asset(partitions=daily(date(2025, 1, 1)))
def daily_summary(daily_data: str, ctx: Context) -> str:
    return f"Summary for {ctx.partition}: {daily_data}"


app = Flowstone("daily", Pipeline(daily_data, daily_summary))


async def main(stone: Client) -> None:
    runs = [await stone.materialize_all(daily_summary, day) for day in DAYS]
    assert [await run.result() for run in runs] == [
        "Summary for 2025-01-15: Data generated for 2025-01-15",
        "Summary for 2025-01-16: Data generated for 2025-01-16",
        "Summary for 2025-01-17: Data generated for 2025-01-17",
    ]
    assert all([await stone.exists(daily_summary, day) for day in DAYS])

    middle = await stone.value(daily_summary, date(2025, 1, 16))
    assert middle == "Summary for 2025-01-16: Data generated for 2025-01-16"


async def run() -> None:
    async with app.local() as stone:
        await main(stone)


if __name__ == "__main__":
    asyncio.run(run())
