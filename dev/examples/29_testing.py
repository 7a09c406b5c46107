"""Testing: one asset with fakes, a pipeline as it is, and what both have told."""

import asyncio

from flowstone import Client, Context, Flowstone, Pipeline, Skip, asset
from flowstone.testing import (
    assert_lineage,
    assert_materialized,
    call,
    capture_events,
    fake_context,
)


@asset
def orders() -> list[int]:
    return [3, 1, 2]


@asset
async def total(orders: list[int], ctx: Context) -> int | Skip:
    ctx.metadata(rows=len(orders))
    return sum(orders) if orders else Skip("no orders")


app = Flowstone("testing", Pipeline(orders, total))


async def test_a_total_is_the_sum_of_its_orders() -> None:
    """Two calls with different fakes do not see each other."""
    ctx = fake_context(total, "eu")

    assert await call(total, orders=[5, 5], ctx=ctx) == 10
    assert await call(total, orders=[7]) == 7
    assert ctx.facts == {"rows": 2}


async def test_an_empty_day_is_skipped() -> None:
    """What an asset asks for instead of a value is a value of the test's."""
    assert await call(total, orders=[]) == Skip("no orders")


def test_a_fake_must_fit() -> None:
    """What is missing or misspelt is told at once."""
    told = ""
    try:
        _ = call(total, order=[1])
    except TypeError as error:
        told = str(error)
    assert "it needs orders=..." in told
    assert "did you mean 'orders'?" in told


async def test_the_pipeline(stone: Client) -> None:
    """In a suite of pytest, `stone` is a fixture of the plugin."""
    with capture_events(stone, prefix="flowstone.run.") as events:
        await (await stone.materialize_all(total)).wait()

    await assert_materialized(stone, total, value=6)
    await assert_lineage(stone, total, upstream=[orders])
    assert events.names in ([], ["flowstone.run.start", "flowstone.run.stop"])


async def main(stone: Client) -> None:
    test_a_fake_must_fit()
    await test_a_total_is_the_sum_of_its_orders()
    await test_an_empty_day_is_skipped()
    await test_the_pipeline(stone)


async def run() -> None:
    async with app.local() as stone:
        await main(stone)


if __name__ == "__main__":
    asyncio.run(run())
