"""Deadlines: what becomes of a gate that nobody answers in time."""

import asyncio
from datetime import timedelta

from flowstone import Client, Flowstone, GateTimedOut, Pipeline, Signal, asset

SOON = timedelta(milliseconds=100)


@asset
def prices() -> dict[str, float]:
    return {"tea": 3.5}


@asset
def reviewed(prices: dict[str, float]) -> dict[str, float] | Signal[dict[str, float]]:
    """Ask only where there is something to ask about."""
    return Signal(timeout=SOON) if prices else prices


@reviewed.on_timeout
def unreviewed(prices: dict[str, float]) -> dict[str, float]:
    """Decide at the deadline: a value, as here, or an exception."""
    return {**prices, "reviewed": 0.0}


@asset
def catalog(reviewed: dict[str, float]) -> list[str]:
    return sorted(reviewed)


@asset
def confirmed() -> Signal[str]:
    """Without that companion, the deadline fails it."""
    return Signal(timeout=SOON)


@asset
def dropped() -> Signal[str]:
    return Signal(timeout=SOON, on_timeout="cancel")


app = Flowstone("deadline", Pipeline(prices, reviewed, catalog, confirmed, dropped))


async def main(stone: Client) -> None:
    run = await stone.materialize_all(catalog)
    assert await run.result() == ["reviewed", "tea"]

    failed = await (await stone.materialize(confirmed)).wait()
    assert isinstance(failed.error, GateTimedOut)
    assert failed.error.waited_seconds == SOON.total_seconds()

    cancelled = await (await stone.materialize(dropped)).wait()
    assert cancelled.status == "cancelled"


async def run() -> None:
    async with app.local() as stone:
        await main(stone)


if __name__ == "__main__":
    asyncio.run(run())
