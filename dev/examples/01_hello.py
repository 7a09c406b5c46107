"""Hello: an asset is a plain function with a name; what it returns is kept."""

import asyncio

from flowstone import Client, Flowstone, Pipeline, asset


@asset
def greeting() -> str:
    """What every first program says."""
    return "Hello, World!"


app = Flowstone("hello", Pipeline(greeting))


async def main(stone: Client) -> None:
    run = await stone.materialize(greeting)
    assert await run.result() == "Hello, World!"

    # Wherever an asset is expected, its name will do. The value is there by now.
    by_name = await stone.materialize("greeting")
    assert await by_name.result() == "Hello, World!"
    assert (await by_name.wait()).progress.reused == 1

    assert await stone.exists(greeting)
    assert await stone.value(greeting) == "Hello, World!"

    # In a unit test, it is the function that was written.
    assert greeting() == "Hello, World!"


async def run() -> None:
    async with app.local() as stone:
        await main(stone)


if __name__ == "__main__":
    asyncio.run(run())
