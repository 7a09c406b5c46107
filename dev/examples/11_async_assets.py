"""Async assets: they share one loop per worker, and mix freely with plain functions."""

import asyncio

from flowstone import Client, Flowstone, Pipeline, asset


async def ask(city: str) -> int:
    """Stand in for a slow service."""
    await asyncio.sleep(0.01)
    return len(city)


@asset
def cities() -> list[str]:
    return ["Bern", "Zürich", "Genève"]


@asset
async def temperatures(cities: list[str]) -> dict[str, int]:
    """Many questions at once, as anywhere in asyncio."""
    answers = await asyncio.gather(*(ask(city) for city in cities))
    return dict(zip(cities, answers, strict=True))


@asset
async def warnings(temperatures: dict[str, int]) -> list[str]:
    return [city for city, degrees in temperatures.items() if degrees > 5]


@asset
def bulletin(temperatures: dict[str, int], warnings: list[str]) -> str:
    return f"{max(temperatures.values())} degrees; warnings: {', '.join(warnings)}"


app = Flowstone("weather", Pipeline(cities, temperatures, warnings, bulletin))


async def main(stone: Client) -> None:
    run = await stone.materialize_all(bulletin)
    assert await run.result() == "6 degrees; warnings: Zürich, Genève"

    # The client strips the coroutine: this is a `Run[list[str]]`.
    warned = await stone.materialize(warnings)
    assert await warned.result() == ["Zürich", "Genève"]


async def run() -> None:
    async with app.local() as stone:
        await main(stone)


if __name__ == "__main__":
    asyncio.run(run())
