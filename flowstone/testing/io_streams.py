"""What every IO manager promises about streams; `CHECKS` has it all."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest

from flowstone.core.errors import CodecError, ValueNotFound
from flowstone.io import IOManager, ListsLocations, SourceFailed, release
from flowstone.testing.io_suite import new_slot, round_trip

pa: Any = import_module("pyarrow")  # it has no types

__all__ = [
    "CHECKS",
    "check_batches",
    "check_bytes_as_files",
    "check_failing_source",
    "check_files",
    "check_stream_of_nothing",
    "check_streams_are_checked",
]

_DATA = bytes(range(256)) * 10_000
_BATCH = pa.RecordBatch.from_pylist([{"a": 1, "b": "x"}, {"a": None, "b": "y"}])
_TABLE = pa.Table.from_batches([_BATCH] * 5)


def check_files(manager: IOManager) -> None:
    """An open file, and a path, are kept as their bytes, in whatever form they are read."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(_DATA)
        file.flush()
        file.seek(0)
        kept = [
            manager.store(value, new_slot())
            for value in (Path(file.name), io.BytesIO(_DATA), file)
        ]
    for stored in kept:
        assert stored.facts["codec"] == "bytes"
        assert stored.bytes == len(_DATA)
        assert manager.load(stored, bytes) == _DATA
        assert manager.load(stored, None) == _DATA
        with cast("BinaryIO", manager.load(stored, BinaryIO)) as loaded:
            assert loaded.read(3) == _DATA[:3]
            assert loaded.read() == _DATA[3:]
        path = cast("Path", manager.load(stored, Path))
        assert path.read_bytes() == _DATA
        release(path)
        assert not path.exists()
    assert len({stored.digest for stored in kept}) == 1


def check_bytes_as_files(manager: IOManager) -> None:
    """What was kept as bytes is read as a file too, by each reader for itself."""
    stored = manager.store(b"value", new_slot())
    first, second = (cast("Path", manager.load(stored, Path)) for _ in range(2))
    first.write_bytes(b"spoilt")
    assert second.read_bytes() == b"value"
    assert manager.load(stored, bytes) == b"value"
    for path in (first, second):
        release(path)
    with pytest.raises(CodecError):
        round_trip(manager, ["no", "file"], BinaryIO)


def check_batches(manager: IOManager) -> None:
    """Batches are kept as a table, and are read whole or one by one."""
    sources = (iter([_BATCH] * 5), _TABLE.to_reader(), iter([_TABLE]))
    for source in sources:
        stored = manager.store(source, new_slot())
        assert stored.facts["rows"] == 10
        assert _TABLE.equals(manager.load(stored, pa.Table))
        assert _TABLE.equals(manager.load(stored, None))
        batches = manager.load(stored, Iterator[pa.RecordBatch])
        found = pa.Table.from_batches(cast("Iterator[Any]", batches))
        assert _TABLE.equals(found)
        reader: Any = manager.load(stored, pa.RecordBatchReader)
        assert reader.schema == _TABLE.schema
        assert _TABLE.equals(reader.read_all())


def check_stream_of_nothing(manager: IOManager) -> None:
    """An empty file, and no batch at all, are values like any other."""
    assert round_trip(manager, io.BytesIO(), bytes) == b""
    reader = pa.RecordBatchReader.from_batches(_TABLE.schema, iter([]))
    assert _TABLE.slice(10).equals(round_trip(manager, reader, pa.Table))
    assert list(cast("Iterator[Any]", round_trip(manager, iter([]), list[int]))) == []
    none = round_trip(manager, iter([]), Iterator[pa.RecordBatch])
    assert list(cast("Iterator[Any]", none)) in ([], [pa.record_batch({})])


def check_failing_source(manager: IOManager) -> None:
    """A stream whose source fails leaves nothing, and its failure is told apart."""
    before = _listed(manager)

    def failing() -> Iterator[object]:
        yield _BATCH
        raise ConnectionError("their server is away")

    class Torn(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any, /) -> int:
            raise TimeoutError("their server is slow")

    for source, cause in ((failing(), ConnectionError), (Torn(), TimeoutError)):
        with pytest.raises(SourceFailed) as caught:
            manager.store(source, new_slot())
        assert isinstance(caught.value.__cause__, cause)
    other = pa.RecordBatch.from_pylist([{"c": 1}])
    with pytest.raises(CodecError, match="columns"):
        manager.store(iter([_BATCH, other]), new_slot())
    assert _listed(manager) == before


def check_streams_are_checked(manager: IOManager) -> None:
    """IO-20: a stream of what is not what was stored is not handed out."""
    for value, wants in (
        (io.BytesIO(_DATA), (bytes, Path, BinaryIO)),
        (iter([_BATCH]), (pa.Table, Iterator[pa.RecordBatch], pa.RecordBatchReader)),
    ):
        stored = manager.store(value, new_slot())
        other = replace(stored, digest=f"sha256:{'0' * 64}")
        for want in wants:
            with pytest.raises(CodecError, match="not what was stored"):
                manager.load(other, want)
            release(manager.load(stored, want))
        manager.delete(stored)
        for want in wants:
            with pytest.raises(ValueNotFound):
                manager.load(stored, want)


def _listed(manager: IOManager) -> dict[str, int]:
    """Give all that a manager keeps, as far as it tells."""
    if isinstance(manager, ListsLocations):
        return dict(manager.list_locations())
    return {}


CHECKS: Sequence[Callable[[IOManager], None]] = (
    check_files,
    check_bytes_as_files,
    check_batches,
    check_stream_of_nothing,
    check_failing_source,
    check_streams_are_checked,
)
