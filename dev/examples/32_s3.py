"""S3: each asset says which IO manager keeps it; tables are Parquet for all to read."""

import asyncio
import os
import tempfile
from pathlib import Path

from pydantic import BaseModel

from flowstone import S3IO, Client, Flowstone, ParquetIO, Pipeline, asset
from flowstone.stack import S3Server


class Sale(BaseModel):
    """One item of a receipt."""

    item: str
    price: int | None


@asset(io="files")
def receipt() -> bytes:
    """Bytes are an object as they are."""
    return b"tea 3\ncup 9\ngift -\n"


@asset(io="lake")
def sales(receipt: bytes) -> list[Sale]:
    """Rows are a Parquet file."""
    lines = [line.split() for line in receipt.decode().splitlines()]
    return [
        Sale(item=item, price=None if price == "-" else int(price))
        for item, price in lines
    ]


@asset
def total(sales: list[Sale]) -> int:
    """What asks for no manager is kept beside the ledger."""
    return sum(sale.price or 0 for sale in sales)


# Where S3 is and who asks, `FLOWSTONE_S3_*` say, or boto3 finds it in its own ways.
BUCKET = os.environ.get("FLOWSTONE_S3_BUCKET", "flowstone")
FILES = S3IO(BUCKET, prefix="files")
LAKE = ParquetIO(f"s3://{BUCKET}/lake")
app = Flowstone(
    "receipts", Pipeline(receipt, sales, total), io={"files": FILES, "lake": LAKE}
)


async def main(stone: Client) -> None:
    assert await (await stone.materialize_all(total)).result() == 12
    assert (await stone.value(sales))[2] == Sale(item="gift", price=None)

    version = (await stone.status(sales)).version
    kept = [where for where, _ in LAKE.list_locations("receipts/sales")]
    assert f"s3://{BUCKET}/lake/receipts/sales/{version}.parquet" in kept

    assert (await stone.health())["files"].state == "ok"


async def run() -> None:
    # One for this example alone; `flowstone dev --s3` starts one to keep.
    server = S3Server(Path(tempfile.mkdtemp(prefix="flowstone-s3-")), bucket=BUCKET)
    try:
        server.start()
        os.environ.update(server.environment())
        async with app.local() as stone:
            await main(stone)
    finally:
        server.remove()


if __name__ == "__main__":
    asyncio.run(run())
