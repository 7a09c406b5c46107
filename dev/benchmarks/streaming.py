"""How much memory a stream needs, above a process that is idle.

Run by itself, as `python -m dev.benchmarks.streaming KIND MIB FOLDER`, it prints JSON:
the MiB above idle of each way in and out.
"""
# pyright: basic
# pyarrow has no types

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeVar, cast
from uuid import uuid4

import numpy
import pyarrow as pa

from flowstone.io import S3IO, ParquetIO, Slot, Stored, release

__all__ = ["main"]

T = TypeVar("T")

_LOOK_EVERY = 0.002
_MIB = 1024 * 1024


def main(kind: str, mib: int, folder: Path) -> dict[str, float]:
    """Stream so many MiB in and out; give the most that was needed for each."""
    manager: S3IO | ParquetIO
    match kind:
        case "s3":
            manager = S3IO(prefix="memory")
        case "parquet-s3":
            manager = ParquetIO("s3://flowstone/memory")
        case _:
            manager = ParquetIO(folder / "lake")
    stream = _Stream(manager, mib)
    stream.warm_up()
    needed = _Needed()
    if kind != "parquet-s3":  # files go there as to S3
        file = folder / "file"
        stream.write(file)
        at = needed.by("store a file", lambda: manager.store(file, _slot()))
        needed.by("read a file", lambda: stream.read_file(at))
        manager.delete(at)
    at = needed.by("store batches", stream.store_batches)
    needed.by("read batches", lambda: stream.read_batches(at))
    manager.delete(at)
    return needed.most


class _Stream:
    def __init__(self, manager: S3IO | ParquetIO, mib: int) -> None:
        self._manager = manager
        self._mib = mib
        self._batch = pa.record_batch(
            {"a": numpy.random.default_rng(1).random(_MIB // 8)}
        )

    def warm_up(self) -> None:
        at = self._manager.store(iter([self._batch]), _slot())
        list(self._batches(at))
        self._manager.delete(at)

    def write(self, file: Path) -> None:
        with file.open("wb") as out:
            for _ in range(self._mib):
                out.write(self._batch.column(0).buffers()[1])

    def store_batches(self) -> Stored:
        batches = (self._batch for _ in range(self._mib))
        return self._manager.store(batches, _slot())

    def read_batches(self, at: Stored) -> None:
        rows = sum(batch.num_rows for batch in self._batches(at))
        assert rows == self._batch.num_rows * self._mib

    def _batches(self, at: Stored) -> Iterator[pa.RecordBatch]:
        found = self._manager.load(at, Iterator[pa.RecordBatch])
        return cast("Iterator[pa.RecordBatch]", found)

    def read_file(self, at: Stored) -> None:
        with cast("BinaryIO", self._manager.load(at, BinaryIO)) as file:
            while file.read(_MIB):
                pass
        release(self._manager.load(at, Path))


class _Needed:
    """Watches the memory of this process while something is done."""

    def __init__(self) -> None:
        self.most: dict[str, float] = {}
        self._idle = _resident()

    def by(self, name: str, work: Callable[[], T]) -> T:
        ended = threading.Event()

        def watch() -> None:
            most = 0.0
            while not ended.wait(_LOOK_EVERY):
                most = max(most, _resident() - self._idle)
            self.most[name] = round(most, 1)

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            return work()
        finally:
            ended.set()
            watcher.join()


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / _MIB


def _slot() -> Slot:
    version = str(uuid4())
    return Slot(asset="a/b", key="-", version=version, path=f"a/b/{version}")


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))))
