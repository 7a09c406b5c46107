"""A stream of any size needs little memory, on its way in and on its way out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from flowstone.stack import S3Server
from tests.house.source import ROOT

_MIB = 256
_MOST = 200
"""MiB above an idle process, less than what is streamed; `dev/bench io` streams more."""

_MEASURED = """
import json, sys, threading, time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO
import numpy, pyarrow as pa
from flowstone.io import S3IO, ParquetIO, Slot, release

mib, folder, kind = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
manager = {
    "s3": lambda: S3IO(prefix="memory"),
    "parquet": lambda: ParquetIO(folder / "lake"),
    "parquet-s3": lambda: ParquetIO("s3://flowstone/memory"),
}[kind]()
batch = pa.record_batch({"a": numpy.random.default_rng(1).random(128 * 1024)})
file = folder / "file"

def resident():
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024

def slot(version):
    return Slot(asset="a/b", key="-", version=version + kind, path="a/b/" + version)

def stored_file():
    with file.open("wb") as out:
        for _ in range(mib):
            out.write(batch.column(0).buffers()[1])
    return manager.store(file, slot("file"))

def read_file(at):
    with manager.load(at, BinaryIO) as found:
        while found.read(1024 * 1024):
            pass
    release(manager.load(at, Path))

def stored_batches():
    return manager.store((batch for _ in range(mib)), slot("batches"))

def read_batches(at):
    assert sum(b.num_rows for b in manager.load(at, Iterator[pa.RecordBatch])) == (
        batch.num_rows * mib
    )

for warm in (manager.store(iter([batch]), slot("warm")),):
    list(manager.load(warm, Iterator[pa.RecordBatch]))
    manager.delete(warm)
idle, peak = resident(), {}
ended = threading.Event()

def watch(name):
    while not ended.wait(0.002):
        peak[name] = max(peak.get(name, 0), resident() - idle)

def measured(name, work, *given):
    ended.clear()
    watcher = threading.Thread(target=watch, args=(name,))
    watcher.start()
    try:
        return work(*given)
    finally:
        ended.set()
        watcher.join()

if kind != "parquet-s3":  # files go there as to S3
    at = measured("store a file", stored_file)
    measured("read a file", read_file, at)
    manager.delete(at)
at = measured("store batches", stored_batches)
assert at.bytes > mib * 1024 * 1000
measured("read batches", read_batches, at)
manager.delete(at)
print(json.dumps(peak))
"""


@pytest.mark.service
@pytest.mark.timeout(180)
@pytest.mark.parametrize("kind", ["s3", "parquet", "parquet-s3"])
def test_streams_need_little_memory(
    kind: str, tmp_path: Path, s3_server: S3Server
) -> None:
    """A file and batches are stored and read in less memory than they have bytes."""
    told = subprocess.check_output(
        [sys.executable, "-c", _MEASURED, str(_MIB), str(tmp_path), kind],
        cwd=ROOT,
        env={**os.environ, **s3_server.environment()},
    )
    peak: dict[str, float] = json.loads(told)
    assert len(peak) == (2 if kind == "parquet-s3" else 4)
    assert {name: most for name, most in peak.items() if most > _MOST} == {}
