"""Skips: an asset may make nothing, and say why; optional readers go on without."""

import asyncio

from flowstone import Client, Flowstone, Pipeline, Skip, ValueNotFound, asset


@asset
def upload() -> list[str] | Skip:
    return Skip("nobody uploaded anything")


@asset
def parsed(upload: list[str]) -> list[str]:
    return [line.upper() for line in upload]


@asset
def stock() -> int:
    return 40


@asset
def summary(stock: int, parsed: list[str] | None = None) -> str:
    """A default makes a need optional: it is what a skipped one is read as."""
    return f"{stock} in stock, {len(parsed or [])} uploaded"


app = Flowstone("skips", Pipeline(upload, parsed, stock, summary))


async def main(stone: Client) -> None:
    run = await stone.materialize_all(summary)
    assert await run.result() == "40 in stock, 0 uploaded"
    outcome = await run.wait()
    assert (outcome.progress.made, outcome.progress.skipped) == (2, 2)

    # What needs a skipped asset is skipped too; that is no failure.
    run_of_parsed = await stone.materialize_all(parsed)
    assert (await run_of_parsed.wait()).status == "skipped"
    absent = ""
    try:
        await run_of_parsed.result()
    except ValueNotFound as error:
        absent = error.message
    assert "nobody uploaded anything" in absent or "skipped" in absent

    status = await stone.status(upload)
    assert (status.state, status.reason) == ("skipped", "nobody uploaded anything")


async def run() -> None:
    async with app.local() as stone:
        await main(stone)


if __name__ == "__main__":
    asyncio.run(run())
