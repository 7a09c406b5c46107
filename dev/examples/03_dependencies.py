"""Dependencies: optional by a default, renamed by `needs=`, ordered by `after=`."""

import asyncio

from flowstone import Client, Flowstone, Pipeline, Skip, UpstreamMissing, asset


@asset
def orders_eu() -> list[int]:
    return [10, 20]


@asset
def orders_us() -> list[int]:
    return [5]


@asset
def holidays() -> list[str] | Skip:
    return Skip("the calendar is not published yet")


@asset
def migrate() -> str:
    return "schema 7"


@asset(needs={"left": "orders_eu", "right": orders_us})
def orders(left: list[int], right: list[int]) -> list[int]:
    """Two assets under the names that read best here."""
    return left + right


@asset(after=[migrate])
def stored(orders: list[int], holidays: list[str] | None = None) -> dict[str, int]:
    """A default makes a need optional; `after` waits and loads nothing."""
    return {"orders": sum(orders), "holidays": len(holidays or [])}


app = Flowstone(
    "wiring", Pipeline(orders_eu, orders_us, holidays, migrate, orders, stored)
)


async def main(stone: Client) -> None:
    # `materialize` makes this asset alone: what it needs must exist.
    alone = await (await stone.materialize(orders)).wait()
    assert isinstance(alone.error, UpstreamMissing)
    assert alone.error.missing == ("orders_eu", "orders_us")

    run = await stone.materialize_all(stored)
    assert await run.result() == {"orders": 35, "holidays": 0}
    assert await stone.value(migrate) == "schema 7"
    assert not await stone.exists(holidays)

    # The upstreams are there now.
    assert await (await stone.materialize(orders)).result() == [10, 20, 5]


async def run() -> None:
    async with app.local() as stone:
        await main(stone)


if __name__ == "__main__":
    asyncio.run(run())
