"""Echo: two assets, one partition, one value at the end."""

import asyncio

from flowstone import Client, Flowstone, Pipeline, asset


@asset
def source() -> str:
    return "hello"


@asset
def echo(source: str) -> str:
    return source.upper()


app = Flowstone("echo", Pipeline(source, echo))


async def main(stone: Client) -> None:
    run = await stone.materialize_all(echo, "demo")
    assert await run.result() == "HELLO"
    assert await stone.value(source, "demo") == "hello"
    assert run.partition == "demo"


async def run() -> None:
    async with app.local() as stone:
        await main(stone)


if __name__ == "__main__":
    asyncio.run(run())
