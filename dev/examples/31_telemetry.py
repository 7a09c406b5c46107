"""Telemetry: handlers are told what happens, once it has happened."""

import asyncio
from datetime import timedelta

from flowstone import Client, Flowstone, Pipeline, Retry, asset, telemetry
from flowstone.telemetry import (
    Event,
    MaterializationFailed,
    MaterializationStopped,
    RunStopped,
)

SOON = timedelta(milliseconds=20)


@asset
def orders() -> list[int]:
    return [3, 1, 2]


@asset(retry=Retry(attempts=2, delay=SOON))
def exported(orders: list[int]) -> int:
    raise ConnectionError("no partner for", orders)


class Dashboard:
    """Counts: a handler is anything that can be called with an event."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.failed: list[tuple[str | None, int | None]] = []
        self.ended: list[str] = []

    def __call__(self, event: Event) -> None:
        """Take in what has happened."""
        match event:
            case MaterializationStopped(outcome="produced"):
                self.made.append(event.asset)
            case MaterializationFailed():
                self.failed.append((event.error_type, event.attempt))
            case RunStopped():
                self.ended.append(event.outcome)
            case _:
                pass


def broken(event: Event) -> None:
    raise RuntimeError("it is logged, and harms nobody", event.name)


app = Flowstone("telemetry", Pipeline(orders, exported))


async def main(stone: Client) -> None:
    dashboard = Dashboard()
    telemetry.attach(dashboard)  # of this process: a worker's, where a worker runs it
    telemetry.attach(broken, "flowstone.run.")  # told of runs alone
    try:
        run = await stone.materialize_all(exported)
        assert (await run.wait()).status == "failed"
    finally:
        telemetry.detach(dashboard)
        telemetry.detach(broken)

    assert dashboard.made == ["orders"]
    assert dashboard.failed == [("ConnectionError", 1), ("ConnectionError", 2)]
    assert dashboard.ended == ["failed"]

    # Handlers are told, and forget; the ledger keeps.
    assert [e.outcome for e in await run.events()].count("failed") == 3


async def run() -> None:
    async with app.local() as stone:
        await main(stone)


if __name__ == "__main__":
    asyncio.run(run())
