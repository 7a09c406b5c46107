"""Schedules: the clock starts them, and the partition is of the time that was meant."""

import asyncio
from datetime import UTC, date, datetime, timedelta

from flowstone import (
    Client,
    Context,
    Flowstone,
    NotSupported,
    Pipeline,
    Schedule,
    asset,
    daily,
    previous_day,
    previous_hour,
)


@asset(partitions=daily(date(2025, 1, 1)))
def orders(ctx: Context) -> int:
    return len(str(ctx.partition))


@asset(partitions=daily(date(2025, 1, 1)))
def daily_report(orders: int, ctx: Context) -> str:
    assert ctx.scheduled_at is not None
    return f"{orders} orders, as asked for at {ctx.scheduled_at:%H:%M} UTC"


@asset
def hourly_sample(ctx: Context) -> str:
    return f"sampled {ctx.partition}"


app = Flowstone(
    "clockwork",
    Pipeline(orders, daily_report, hourly_sample),
    schedules=[
        Schedule(
            daily_report,
            cron="0 6 * * *",
            timezone="Europe/Zurich",
            partition=previous_day,
            catch_up=timedelta(hours=6),
        ),
        Schedule(hourly_sample, cron="5 * * * *", partition=previous_hour),
    ],
)


async def main(stone: Client) -> None:
    # Six in the morning in Zurich is five in UTC: the report is about the day before.
    fired = datetime(2025, 1, 16, 5, tzinfo=UTC)
    run = await stone.schedules.trigger("daily_report", at=fired)
    assert run.partition == date(2025, 1, 15)
    assert await run.result() == "10 orders, as asked for at 05:00 UTC"

    hour = await stone.schedules.trigger("hourly_sample", at=fired)
    assert await hour.result() == "sampled 2025-01-16 04:00:00+00:00"

    assert {s.state for s in await stone.schedules.list()} == {"not_applied"}
    try:
        # What a deployment does, without the dry run.
        applied = await stone.schedules.apply(dry_run=True)
    except NotSupported:
        return  # in one process, nobody keeps the time
    assert str(applied).splitlines()[0] == "create schedule daily_report"


async def run() -> None:
    async with app.local() as stone:
        await main(stone)


if __name__ == "__main__":
    asyncio.run(run())
