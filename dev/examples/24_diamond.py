"""A diamond: what two assets read is made once; what is independent runs at once."""

import asyncio

from flowstone import Client, Flowstone, Pipeline, asset


@asset
def numbers() -> list[int]:
    return list(range(1, 11))


@asset
def doubled(numbers: list[int]) -> list[int]:
    numbers.reverse()  # every reader has a copy of its own
    return [2 * n for n in numbers]


@asset
def evens(numbers: list[int]) -> list[int]:
    return [n for n in numbers if n % 2 == 0]


@asset
def squares(evens: list[int]) -> list[int]:
    return [n * n for n in evens]


@asset
def total(doubled: list[int], squares: list[int]) -> dict[str, int]:
    return {"doubled": sum(doubled), "squares": sum(squares)}


app = Flowstone("diamond", Pipeline(numbers, doubled, evens, squares, total))


async def main(stone: Client) -> None:
    run = await stone.materialize_all(total)
    assert await run.result() == {"doubled": 110, "squares": 220}
    assert await stone.value(doubled) == list(range(20, 0, -2))
    assert await stone.value(numbers) == list(range(1, 11))

    # Even where all is made again, each asset is made once in a run.
    forced = await stone.materialize_all(total, policy="always")
    await forced.wait()
    made = [e.asset for e in await forced.events() if e.outcome == "produced"]
    assert sorted(made) == ["doubled", "evens", "numbers", "squares", "total"]

    print(stone.pipeline.graph())


async def run() -> None:
    async with app.local() as stone:
        await main(stone)


if __name__ == "__main__":
    asyncio.run(run())
