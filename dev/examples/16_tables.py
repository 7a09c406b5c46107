"""Tables: Arrow tables are stored as Arrow, with their schema, and read as tables."""
# pyright: basic
# mypy: disable-error-code=import-untyped
# pyarrow ships no types

import asyncio

import pyarrow as pa

from flowstone import Client, Context, Flowstone, Pipeline, asset


@asset
def flights() -> pa.Table:
    return pa.table({"carrier": ["AA", "UA", "AA"], "delay": [5, None, 10]})


@asset
def delays(flights: pa.Table, ctx: Context) -> pa.Table:
    found = flights.group_by("carrier").aggregate([("delay", "mean")])
    ctx.metadata(carriers=found.num_rows)
    return found.sort_by("carrier")


@asset
def worst(delays: pa.Table) -> str:
    return str(delays.sort_by([("delay_mean", "descending")])["carrier"][0])


app = Flowstone("tables", Pipeline(flights, delays, worst))


async def main(stone: Client) -> None:
    assert await (await stone.materialize_all(worst)).result() == "AA"

    table = await stone.value(delays)
    assert table.to_pydict() == {"carrier": ["AA", "UA"], "delay_mean": [7.5, None]}
    assert table.schema.field("delay_mean").type == pa.float64()


async def run() -> None:
    async with app.local() as stone:
        await main(stone)


if __name__ == "__main__":
    asyncio.run(run())
