"""Settings: in code or in the environment; what is wrong is told at once, all of it."""

import asyncio
from collections.abc import Callable, Sequence

from flowstone import (
    Client,
    ConfigurationError,
    Flowstone,
    MemoryIO,
    Pipeline,
    Secrets,
    asset,
)


@asset
def orders() -> list[int]:
    return [3, 1, 2]


@asset(io="lake")
def report(orders: list[int]) -> str:
    return f"{len(orders)} orders"


# What is left out is read from the environment when the app is opened: its ledger from
# `FLOWSTONE_LEDGER_URL`, Temporal from `TEMPORAL_ADDRESS`. `flowstone config` shows all.
app = Flowstone(
    "settings",
    Pipeline(orders),
    secrets=Secrets({"2026": b"a secret of at least sixteen"}),
)


async def refused(declare: Callable[[], Flowstone]) -> Sequence[str]:
    """Give all that is wrong with an app for production, wherever it is noticed."""
    try:
        await declare().connect()
    except ConfigurationError as error:
        return error.problems
    return []


async def main(stone: Client) -> None:
    assert await (await stone.materialize(orders)).result() == [3, 1, 2]
    assert "sixteen" not in repr(app.secrets)  # a secret is shown to nobody

    # An app that cannot be is refused where it is declared.
    problems = await refused(lambda: Flowstone("My Shop", Pipeline(orders, report)))
    assert ["'My Shop'" in problems[0], "'lake'" in problems[1]] == [True, True]

    # What no other process could read is refused before anything is started.
    lonely = Flowstone("lonely", Pipeline(orders), io={"default": MemoryIO()})
    problems = await refused(lambda: lonely)
    assert any("one process" in problem for problem in problems)


async def run() -> None:
    async with app.local() as stone:
        await main(stone)


if __name__ == "__main__":
    asyncio.run(run())
