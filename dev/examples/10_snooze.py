"""Snooze: what is not ready yet is asked again later; no worker waits for it."""

import asyncio
import tempfile
from datetime import timedelta
from pathlib import Path

from flowstone import Client, Flowstone, Pipeline, Snooze, asset

SHELF = Path(tempfile.gettempdir(), "flowstone-example-exports")


class Warehouse:
    """Takes an order, and has it ready when it is asked again."""

    def fetch(self, name: str) -> str | None:
        """Give an export; `None` where it is ordered, and not ready yet."""
        export, order = SHELF / f"{name}.csv", SHELF / f"{name}.order"
        if order.exists():
            export.write_text("id,total\n1,35\n")
        order.touch()
        return export.read_text() if export.exists() else None


@asset
def export() -> str | Snooze:
    """A snooze is no failure, and no attempt."""
    csv = Warehouse().fetch("january")
    return Snooze(timedelta(milliseconds=50)) if csv is None else csv


@asset
def rows(export: str) -> int:
    return len(export.splitlines()) - 1


def clear_shelf() -> None:
    SHELF.mkdir(exist_ok=True)
    for old in SHELF.iterdir():
        old.unlink()


app = Flowstone("snooze", Pipeline(export, rows))


async def main(stone: Client) -> None:
    clear_shelf()
    run = await stone.materialize_all(rows)
    assert await run.result() == 1

    said = [event.outcome for event in await run.events() if event.asset == "export"]
    assert said.count("snoozed") == 1
    assert said.count("produced") == 1


async def run() -> None:
    async with app.local() as stone:
        await main(stone)


if __name__ == "__main__":
    asyncio.run(run())
