"""Resources: assets share a connection that is opened once, and closed at the end."""

import asyncio
from datetime import timedelta

from flowstone import Client, Context, Flowstone, Pipeline, Resource, Retry, asset

SOON = timedelta(milliseconds=20)


class Warehouse(Resource):
    """Opened lazily, once for each worker; what `open` gives is what assets get."""

    def __init__(self, url: str) -> None:
        self._url = url  # a resource is never written down, and so neither is this

    def open(self) -> dict[str, list[int]]:
        return {"orders": [3, 1, 2]}

    def healthy(self) -> str:
        return ""  # or why it is not


class Desk(Resource):
    """An async one: it lives on the loop on which async assets run."""

    def __init__(self) -> None:
        self.tickets = 0

    async def open(self) -> None:  # nothing: assets get the resource itself
        await asyncio.sleep(0)

    async def take(self) -> int:
        self.tickets += 1
        return self.tickets


@asset(resources=["warehouse"])
def orders(ctx: Context) -> list[int]:
    return sorted(ctx.resources["warehouse"]["orders"])


@asset(resources=["warehouse", "desk"], retry=Retry(attempts=2, delay=SOON))
async def receipt(orders: list[int], ctx: Context) -> str:
    ticket = await ctx.resources["desk"].take()
    if ctx.attempt == 1:
        raise TimeoutError("the printer was asleep")
    rows = ctx.resources["warehouse"]["orders"]
    return f"ticket {ticket}: {len(orders)} of {len(rows)} orders"


app = Flowstone(
    "resources",
    Pipeline(orders, receipt),
    resources={"warehouse": Warehouse("postgresql://warehouse/shop"), "desk": Desk()},
)


async def main(stone: Client) -> None:
    # The second attempt finds the desk as the first one left it.
    run = await stone.materialize_all(receipt)
    assert await run.result() == "ticket 2: 3 of 3 orders"

    health = await stone.health()
    assert health.healthy, [c.problem for c in health]
    assert health["warehouse"].state == "ok"


async def run() -> None:
    async with app.local() as stone:
        await main(stone)


if __name__ == "__main__":
    asyncio.run(run())
