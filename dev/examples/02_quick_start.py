"""Quick start: a parameter's name is the asset it reads. There is no other wiring."""

import asyncio
from datetime import date

from flowstone import Client, Flowstone, Pipeline, asset


@asset
def raw() -> list[int]:
    return [3, 1, 2]


@asset
def cleaned(raw: list[int]) -> list[int]:
    return sorted(raw)


@asset
async def report(cleaned: list[int]) -> str:
    return f"{len(cleaned)} rows"


app = Flowstone("shop", Pipeline(raw, cleaned, report))
TODAY = date(2025, 1, 15)


async def main(stone: Client) -> None:
    # Nothing exists yet; all that the report needs is made first, each asset once.
    run = await stone.materialize_all(report, TODAY)
    assert await run.result() == "3 rows"
    assert await stone.value(cleaned, TODAY) == [1, 2, 3]

    # The partition is part of a value's identity: another day has no values.
    assert not await stone.exists(report, date(2025, 1, 16))

    assert stone.pipeline.graph("mermaid").startswith("graph")


async def run() -> None:
    async with app.local() as stone:
        await main(stone)


if __name__ == "__main__":
    asyncio.run(run())
