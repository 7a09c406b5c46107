"""Partitions: any plain value is a key, and reaches the function as what it is."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, date, datetime

from flowstone import BadPartition, Client, Context, Flowstone, Key, Pipeline, asset


@asset
def label(ctx: Context) -> str:
    """The key's type, and the key."""
    match ctx.partition:
        case datetime() as instant:
            return f"instant {instant.isoformat()}"
        case date() as day:
            return f"day {day.isoformat()}"
        case str() | int() as plain:
            return f"{type(plain).__name__} {plain}"
        case tuple() as parts:
            return f"tuple of {len(parts)}, the first {parts[0]}"
        case Mapping() as named:
            return f"{named['region']} on {named['date']}"
        case None:
            return "no partition"


app = Flowstone("partitions", Pipeline(label))

EXPECTED: list[tuple[Key | None, str]] = [
    (date(2025, 1, 15), "day 2025-01-15"),
    ("2025-01-15", "str 2025-01-15"),
    (datetime(2025, 1, 15, 14, tzinfo=UTC), "instant 2025-01-15T14:00:00+00:00"),
    (7, "int 7"),
    ("7", "str 7"),
    (("eu", date(2025, 1, 15)), "tuple of 2, the first eu"),
    ({"region": "eu", "date": date(2025, 1, 15)}, "eu on 2025-01-15"),
    (None, "no partition"),
]


async def main(stone: Client) -> None:
    for key, text in EXPECTED:
        run = await stone.materialize(label, key)
        assert await run.result() == text

    # Keys that look alike are different keys, each with its own value.
    assert await stone.value(label, 7) != await stone.value(label, "7")

    # What cannot be a key is refused at once, before anything is started.
    refused = ""
    try:
        await stone.materialize(label, True)
    except BadPartition as error:
        refused = error.message
    assert refused.startswith("True cannot be a partition")


async def run() -> None:
    async with app.local() as stone:
        await main(stone)


if __name__ == "__main__":
    asyncio.run(run())
