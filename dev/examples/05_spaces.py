"""Spaces: an asset says which keys it has; ranges list keys for a backfill."""

import asyncio
from datetime import UTC, date, datetime

from flowstone import (
    BadPartition,
    Client,
    Context,
    Flowstone,
    Pipeline,
    asset,
    daily,
    hourly,
    product,
    single,
)

FIRST, LAST = date(2025, 1, 1), date(2025, 1, 5)


@asset(partitions=single)
def rates() -> dict[str, float]:
    """One value for all: it has no partitions, and any key reads it as it is."""
    return {"eu": 1.5, "us": 1.0}


@asset(partitions=product(date=daily(FIRST), region=["eu", "us"]))
def sales(rates: dict[str, float], ctx: Context) -> float:
    assert isinstance(ctx.partition, dict)
    day, region = ctx.partition["date"], str(ctx.partition["region"])
    assert isinstance(day, date)
    return day.day * rates[region]


@asset
def clicks(ctx: Context) -> int:
    assert isinstance(ctx.partition, datetime)
    return ctx.partition.hour


app = Flowstone("spaces", Pipeline(rates, sales, clicks))


async def main(stone: Client) -> None:
    # Ranges include both of their ends.
    assert len(list(daily(FIRST, LAST))) == 5

    days = product(date=daily(FIRST, LAST), region=["eu", "us"])
    report = await (await stone.backfill(sales, days)).result()
    assert report.succeeded == 10
    assert await stone.value(sales, {"region": "eu", "date": LAST}) == 7.5
    assert await stone.value(rates) == {"eu": 1.5, "us": 1.0}

    morning = hourly(
        datetime(2025, 1, 1, 6, tzinfo=UTC), datetime(2025, 1, 1, 9, tzinfo=UTC)
    )
    report = await (await stone.backfill(clicks, morning)).result()
    assert [await stone.value(clicks, hour) for hour in morning] == [6, 7, 8, 9]

    refused = ""
    try:
        await stone.materialize(sales, {"date": FIRST, "region": "mars"})
    except BadPartition as error:
        refused = error.message
    assert "not one of the partitions of 'sales'" in refused


async def run() -> None:
    async with app.local() as stone:
        await main(stone)


if __name__ == "__main__":
    asyncio.run(run())
