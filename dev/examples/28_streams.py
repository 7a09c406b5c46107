"""Streams: a file and batches go to their store as they come, and are read likewise."""
# pyright: basic
# mypy: disable-error-code=import-untyped
# pyarrow ships no types

import asyncio
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
from pyarrow import csv, parquet

from flowstone import Client, Context, Flowstone, Key, ParquetIO, Pipeline, asset

LAKE = Path(tempfile.mkdtemp(prefix="flowstone-lake-"))


@dataclass
class Total:
    """How many of an item were sold."""

    item: str
    sold: int


@asset(io="lake")
def upload() -> Path:
    """A file is kept as its bytes; it may be larger than memory."""
    file = LAKE / "upload.csv"
    file.write_text("item,sold\n" + "tea,2\ncup,1\n" * 1000)
    return file


@asset(io="lake")
def sales(upload: BinaryIO, ctx: Context) -> Iterator[pa.RecordBatch]:
    """Batches are written one by one, as a Parquet file."""
    for number, batch in enumerate(csv.open_csv(upload)):
        ctx.progress(number)
        yield batch


@asset(io="lake")
def totals(sales: Iterator[pa.RecordBatch]) -> list[Total]:
    """Rows are a table, too."""
    sold: dict[str, int] = {}
    for batch in sales:
        for row in batch.to_pylist():
            sold[row["item"]] = sold.get(row["item"], 0) + row["sold"]
    return [Total(item, number) for item, number in sorted(sold.items())]


# `shared`: here the folder stands for one of a network, which all workers see
io = {"lake": ParquetIO(LAKE, shared=True)}
app = Flowstone("streams", Pipeline(upload, sales, totals), io=io)


async def main(stone: Client) -> None:
    key: dict[str, Key] = {"date": date(2025, 1, 15), "region": "eu"}
    assert await (await stone.materialize_all(totals, key)).result() == [
        Total("cup", 1000),
        Total("tea", 2000),
    ]

    assert sum(b.num_rows for b in await stone.value(sales, key)) == 2000
    # As other tools see it.
    found = parquet.read_table(LAKE / "streams/totals/date=2025-01-15/region=eu")
    assert found["sold"].to_pylist() == [1000, 2000]


async def run() -> None:
    async with app.local() as stone:
        await main(stone)


if __name__ == "__main__":
    asyncio.run(run())
