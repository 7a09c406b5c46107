"""Two apps: they live in one process, with assets of equal names, and share nothing."""

import asyncio

from flowstone import Client, Flowstone, Pipeline, UnknownAsset, asset


@asset
def stock() -> dict[str, int]:
    return {"tea": 12}


@asset
def report(stock: dict[str, int]) -> str:
    return f"{sum(stock.values())} in stock"


@asset(name="stock")
def shares() -> dict[str, float]:
    return {"FLOW": 101.5}


@asset(name="report")
def portfolio(stock: dict[str, float]) -> str:
    return f"worth {sum(stock.values())}"


app = Flowstone("grocer", Pipeline(stock, report))
broker = Flowstone("broker", Pipeline(shares, portfolio))


async def main(stone: Client) -> None:
    async with broker.local() as market:
        ours, theirs = await asyncio.gather(
            stone.materialize_all(report),
            market.materialize_all(portfolio),
        )
        assert await ours.result() == "12 in stock"
        assert await theirs.result() == "worth 101.5"

        # A name means what it means in its own app; the other app's asset is unknown.
        assert await market.value("stock") == {"FLOW": 101.5}
        assert await stone.value("stock") == {"tea": 12}
        stranger = ""
        try:
            await stone.materialize(shares)
        except UnknownAsset as error:
            stranger = error.asset
        assert stranger == "stock"


async def run() -> None:
    async with app.local() as stone:
        await main(stone)


if __name__ == "__main__":
    asyncio.run(run())
