"""Policies: when a value that exists is made again, and how to take one away."""

import asyncio

from flowstone import Client, Flowstone, Pipeline, ValueNotFound, asset


@asset
def prices() -> list[int]:
    return [3, 4]


@asset
def total(prices: list[int]) -> int:
    return sum(prices)


@asset
def invoice(total: int) -> str:
    return f"{total} francs"


app = Flowstone("policies", Pipeline(prices, total, invoice))


async def version(stone: Client, name: str) -> str | None:
    return (await stone.status(name)).version


async def main(stone: Client) -> None:
    await (await stone.materialize_all(invoice)).result()
    first = await version(stone, "prices")

    # "missing", the default: what is there is used.
    again = await (await stone.materialize_all(invoice, policy="missing")).wait()
    assert (again.progress.made, again.progress.reused) == (0, 3)

    # "always": all of it is made again, as new versions.
    forced = await (await stone.materialize_all(invoice, policy="always")).wait()
    assert (forced.progress.made, forced.progress.reused) == (3, 0)
    assert await version(stone, "prices") != first

    # A value that is taken away has no readers; its versions stay in the history.
    assert await stone.invalidate(invoice) == 1
    assert await stone.invalidate(invoice) == 0
    assert not await stone.exists(invoice)
    assert await stone.exists(total)

    # With cascade, all that was made from it goes too.
    await (await stone.materialize_all(invoice)).result()
    assert await stone.invalidate(prices, cascade=True) == 3
    assert await stone.value(prices, version=first) == [3, 4]
    gone = ""
    try:
        await stone.value(total)
    except ValueNotFound as error:
        gone = error.message
    assert "materialize it first" in gone


async def run() -> None:
    async with app.local() as stone:
        await main(stone)


if __name__ == "__main__":
    asyncio.run(run())
