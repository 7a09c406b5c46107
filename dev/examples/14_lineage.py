"""Lineage: what a value was made from, and what was made from it, by exact versions."""

import asyncio

from flowstone import Client, Flowstone, Pipeline, asset


@asset
def clicks() -> list[int]:
    return [1, 2, 3]


@asset
def visits(clicks: list[int]) -> int:
    return len(clicks)


@asset
def revenue(clicks: list[int]) -> int:
    return 10 * sum(clicks)


@asset
def dashboard(visits: int, revenue: int) -> str:
    return f"{revenue / visits:.0f} per visit"


app = Flowstone("lineage", Pipeline(clicks, visits, revenue, dashboard))


async def main(stone: Client) -> None:
    await (await stone.materialize_all(dashboard)).result()

    # The nearest first; each once, however many ways lead to it.
    sources = await stone.lineage.upstream(dashboard)
    assert [(entry.asset, entry.depth) for entry in sources] == [
        ("revenue", 1),
        ("visits", 1),
        ("clicks", 2),
    ]
    direct = await stone.lineage.upstream(dashboard, depth=1)
    assert {entry.asset for entry in direct} == {"revenue", "visits"}

    readers = await stone.lineage.downstream(clicks)
    assert {entry.asset for entry in readers} == {"visits", "revenue", "dashboard"}

    # A new version of `visits` has no readers yet; the old one still has.
    old = (await stone.status(visits)).version
    await (await stone.materialize(visits, policy="always")).result()
    assert await stone.lineage.downstream(visits) == []
    (reader,) = await stone.lineage.downstream(visits, version=old)
    assert reader.asset == "dashboard"

    # Impact asks for what readers see now: the dashboard, of the old `visits`.
    await (await stone.materialize(dashboard, policy="always")).result()
    assert await stone.lineage.impact(visits, version=old) == []
    assert len(await stone.lineage.impact(visits)) == 1


async def run() -> None:
    async with app.local() as stone:
        await main(stone)


if __name__ == "__main__":
    asyncio.run(run())
