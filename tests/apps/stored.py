"""Assets whose values are streams in a bucket, and take their time on the way there."""
# pyright: basic
# pyarrow has no types

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from flowstone import S3IO, Flowstone, ParquetIO, Pipeline, SqlLedger, asset
from flowstone.settings import Secrets

ROWS, BATCHES = 64 * 1024, 60
"""Half a mebibyte a batch: an upload has several parts."""


def ran(name: str) -> None:
    """Write down that a function got so far, and do to its process what was asked."""
    with Path(os.environ["STORED_LOG"]).open("a") as file:
        file.write(f"{name}\n")
    if os.environ.get("STORED_KILL_AT") == name:
        os.kill(os.getpid(), signal.SIGKILL)
    if os.environ.get("STORED_SLOW_AT") == name:
        time.sleep(2)


@asset
def numbers() -> Iterator[pa.RecordBatch]:
    for number in range(BATCHES):
        ran(f"numbers {number}")
        yield pa.record_batch({"n": pa.array(range(number, number + ROWS))})


@asset(io="lake")
def table(numbers: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for number, batch in enumerate(numbers):
        ran(f"table {number}")
        yield batch


@asset
def total(table: Iterator[pa.RecordBatch]) -> int:
    ran("total")
    return sum(batch.num_rows for batch in table)


@asset
def file(total: int) -> BinaryIO:
    path = Path(os.environ["STORED_LOG"]).with_name("file")
    path.write_bytes(bytes(total))
    return path.open("rb")


@asset
def length(file: BinaryIO) -> int:
    ran("length")
    return len(file.read())


MADE = ROWS * BATCHES


def make_app(name: str, url: str, prefix: str) -> Flowstone:
    """Make the app on a Postgres and the S3 of the environment."""
    return Flowstone(
        name,
        Pipeline(numbers, table, total, file, length),
        io={
            "default": S3IO("flowstone", prefix=prefix),
            "lake": ParquetIO(f"s3://flowstone/{prefix}/lake"),
        },
        ledger=SqlLedger(url),
        secrets=Secrets({"test": b"a secret of the tests"}),
    )


app = make_app(
    os.environ.get("STORED_NAME", "stored"),
    os.environ.get("FLOWSTONE_LEDGER_URL", "postgresql://nobody@127.0.0.1:1/none"),
    os.environ.get("STORED_PREFIX", "stored"),
)
