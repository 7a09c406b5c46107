"""Backfill: one asset, with all that it needs, at many keys; it counts what it did."""

import asyncio

from flowstone import Client, Context, Flowstone, Pipeline, asset

DAYS = ["day1", "day2", "day3", "day4", "day5"]


@asset
def metrics(ctx: Context) -> dict[str, int]:
    return {"value": 100 + int(str(ctx.partition)[-1])}


@asset
def aggregated(metrics: dict[str, int]) -> dict[str, int]:
    return {"processed_value": 2 * metrics["value"]}


app = Flowstone("backfill", Pipeline(metrics, aggregated))


async def main(stone: Client) -> None:
    run = await stone.backfill(aggregated, DAYS, max_parallel=2)
    report = await run.result()
    assert (report.succeeded, report.failed, report.skipped) == (5, 0, 0)

    for day in DAYS:
        made, source = (
            await stone.value(aggregated, day),
            await stone.value(metrics, day),
        )
        assert made["processed_value"] == 2 * source["value"]

    # A second time, all is there.
    again = await (await stone.backfill(aggregated, DAYS)).result()
    assert (again.succeeded, again.failed, again.skipped) == (0, 0, 5)
    assert set(again.outcomes.values()) == {"reused"}

    # A new day costs no more than itself.
    more = await (await stone.backfill(aggregated, [*DAYS, "day6"])).result()
    assert (more.succeeded, more.skipped) == (1, 5)

    forced = await stone.backfill(aggregated, ["day1"], policy="always")
    assert (await forced.result()).succeeded == 1


async def run() -> None:
    async with app.local() as stone:
        await main(stone)


if __name__ == "__main__":
    asyncio.run(run())
