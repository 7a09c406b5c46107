"""Streams in runs: made by one function, kept as they come, read by the next."""
# pyright: basic
# pyarrow has no types

from __future__ import annotations

import asyncio
import io
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa
import pytest

from flowstone import (
    AssetFailed,
    Context,
    Flowstone,
    MemoryIO,
    ParquetIO,
    Pipeline,
    Retry,
    asset,
)

BATCH = pa.record_batch({"a": [1, 2, None]})


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have temporary files made in a folder of the test's own."""
    made = tmp_path / "temporary"
    made.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(made))
    return made


@asset
def batches() -> Iterator[pa.RecordBatch]:
    yield from [BATCH] * 3


@asset
def counted(batches: Iterator[pa.RecordBatch]) -> int:
    return sum(batch.num_rows for batch in batches)


@asset
def lines(batches: pa.Table) -> Path:
    made = Path(tempfile.gettempdir()) / "lines"
    made.write_text("\n".join(str(row) for row in batches.to_pylist()))
    return made


@asset
def copied(lines: Path) -> Path:
    return lines


@asset
def length(copied: BinaryIO, lines: Path) -> int:
    assert copied.read() == lines.read_bytes()
    return len(lines.read_text().splitlines())


@pytest.mark.parametrize("packs", [True, False, "whole"])
@pytest.mark.parametrize("lake", [True, False])
async def test_streams_pass_from_asset_to_asset(
    desk: Path, tmp_path: Path, lake: bool, packs: bool | str
) -> None:
    """Batches and files go from one function to the next, and nothing stays behind."""
    manager = ParquetIO(tmp_path / "lake") if lake else MemoryIO()
    pipeline = Pipeline(batches, counted, lines, copied, length)
    app = Flowstone("streams", pipeline, io={"default": manager})
    async with app.local(tmp_path / "kept", packs=packs) as stone:
        assert await (await stone.materialize_all(counted)).result() == 9
        assert await (await stone.materialize_all(length)).result() == 9
        assert {file.name for file in desk.iterdir()} == {"lines"}
        mine = cast("Path", await stone.value(copied))
        assert mine.read_text().count("{'a': 1}") == 3
        mine.unlink()
    assert {file.name for file in desk.iterdir()} == {"lines"}


@pytest.mark.parametrize("attempts", [1, 2])
async def test_a_generator_that_fails_is_its_asset_that_fails(
    tmp_path: Path, attempts: int
) -> None:
    """What a stream raises counts for its asset's retries, as what a function raises."""
    calls: list[int] = []

    @asset(retry=Retry(attempts=attempts))
    def broken() -> Iterator[pa.RecordBatch]:
        calls.append(1)
        yield BATCH
        if len(calls) < 2:
            raise ConnectionError("their server is away")

    lake = ParquetIO(tmp_path / "lake")
    app = Flowstone("broken", Pipeline(broken), io={"default": lake})
    async with app.local() as stone:
        outcome = await (await stone.materialize(broken)).wait()
    assert len(calls) == attempts
    if attempts == 2:
        assert outcome.status == "succeeded"
        assert len(list(lake.list_locations())) == 1
        return
    error = outcome.error
    assert isinstance(error, AssetFailed)
    assert (error.error_type, error.error) == (
        "ConnectionError",
        "their server is away",
    )
    assert "their server is away" in error.details
    assert list(lake.list_locations()) == []


async def test_a_large_stream_wants_a_store_that_streams() -> None:
    """Where values are kept in memory, a large stream fails its asset with the remedy."""

    @asset
    def large() -> BinaryIO:
        return io.BytesIO(bytes(40_000_000))

    async with Flowstone("large", Pipeline(large)).local() as stone:
        outcome = await (await stone.materialize(large)).wait()
    assert isinstance(outcome.error, AssetFailed)
    assert "such as S3IO or ParquetIO" in outcome.error.error


@pytest.mark.parametrize("asks", [True, False])
async def test_a_cancelled_run_ends_in_the_middle_of_a_stream(
    tmp_path: Path, asks: bool
) -> None:
    """Cancelling reaches a generator between two batches; nothing of it is kept."""
    began = threading.Event()

    @asset
    def endless(ctx: Context) -> Iterator[pa.RecordBatch]:
        while True:
            began.set()
            if asks:
                ctx.heartbeat()
            time.sleep(0.01)
            yield BATCH

    lake = ParquetIO(tmp_path / "lake")
    app = Flowstone("endless", Pipeline(endless), io={"default": lake})
    async with app.local() as stone:
        run = await stone.materialize(endless)
        await asyncio.to_thread(began.wait, 10)
        await run.cancel()
        assert (await run.wait()).status == "cancelled"
    assert list(lake.list_locations()) == []
