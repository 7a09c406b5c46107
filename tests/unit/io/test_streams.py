"""An open file, a path or batches: read once, by whoever keeps them."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import pytest

from flowstone.core.errors import CodecError
from flowstone.io import SourceFailed, decode, encode, release
from tests.unit.io.shapes import there_and_back

pa: Any = import_module("pyarrow")  # it has no types
BATCH = pa.RecordBatch.from_pylist([{"a": 1}, {"a": None}])


def test_small_files_are_their_bytes(tmp_path: Path) -> None:
    """An open file, and a path, are kept as what is in the file."""
    path = tmp_path / "data"
    path.write_bytes(b"a\x00b")
    assert there_and_back(path, bytes) == b"a\x00b"
    with path.open("rb") as file:
        assert there_and_back(file, None) == b"a\x00b"
        assert file.closed
    assert there_and_back(io.BytesIO(b""), bytes) == b""


def test_a_file_is_read_from_where_it_stands() -> None:
    """What was read of a file before is not kept; nothing left is told, not kept."""
    file = io.BytesIO(b"headvalue")
    file.seek(4)
    assert there_and_back(file, bytes) == b"value"
    with tempfile.NamedTemporaryFile() as written:
        written.write(b"value")
        with pytest.raises(CodecError, match=r"file\.seek\(0\)"):
            encode(written)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (io.StringIO("text"), "Open it for bytes, as 'rb'"),
        (Path("/nowhere/at/all"), "'/nowhere/at/all' cannot be read: No such file"),
        (Path("/"), "'/' cannot be read: Is a directory"),
    ],
)
def test_what_is_no_file_of_bytes(value: object, message: str) -> None:
    """A file that cannot be read as bytes is refused with the remedy."""
    with pytest.raises(CodecError, match=message):
        encode(value)


def test_a_closed_file_is_named() -> None:
    """A file that was closed before it was returned is refused."""
    file = io.BytesIO(b"value")
    file.close()
    with pytest.raises(CodecError, match="Return it open"):
        encode(file)


def test_small_batches_are_one_table() -> None:
    """An iterator of batches, a reader and tables are kept as a table."""
    whole = pa.Table.from_batches([BATCH, BATCH])
    assert whole.equals(there_and_back(iter([BATCH, BATCH]), pa.Table))
    assert whole.equals(there_and_back(iter([pa.table(BATCH), BATCH]), None))
    assert whole.equals(there_and_back(whole.to_reader(), pa.Table))
    empty = pa.RecordBatchReader.from_batches(BATCH.schema, iter([]))
    assert whole.slice(4).equals(there_and_back(empty, pa.Table))


def test_batches_of_other_columns_are_refused() -> None:
    """A batch whose columns are not those of the first is refused by name."""
    other = pa.RecordBatch.from_pylist([{"b": 1}])
    with pytest.raises(CodecError, match="its columns are b: int64"):
        encode(iter([BATCH, other]))


def test_other_iterators_are_lists() -> None:
    """An iterator of plain values is kept as the list of them, as before."""
    assert there_and_back((n for n in range(3)), list[int]) == [0, 1, 2]
    assert there_and_back(iter([]), list[int]) == []
    assert pa.table({}).equals(there_and_back(iter([]), pa.Table))


def test_large_streams_want_a_store_that_streams() -> None:
    """Where it would have to be in memory, a large stream is refused with the remedy."""
    with pytest.raises(CodecError, match=r"33,554,432 bytes.*such as S3IO"):
        encode(io.BytesIO(bytes(33_554_433)))
    column = pa.array([b"x" * 1_000_000])
    batch = pa.RecordBatch.from_arrays([column], names=["a"])
    with pytest.raises(CodecError, match="such as S3IO"):
        encode(iter([batch] * 34))


def _failing(error: BaseException, *items: object) -> Iterator[object]:
    yield from items
    raise error


@pytest.mark.parametrize("items", [(), (BATCH,), (1, 2)])
def test_a_source_that_fails_is_told_apart(items: tuple[object, ...]) -> None:
    """What a stream is made from failing is not taken for a failure of the store."""
    error = ConnectionError("their server is away")
    with pytest.raises(SourceFailed, match="their server is away") as caught:
        encode(_failing(error, *items))
    assert caught.value.__cause__ is error


def test_bytes_are_handed_out_as_files() -> None:
    """Bytes are read as a file, or as the path of one, that nobody else has."""
    stored = encode(b"value")
    file = cast("BinaryIO", decode(stored, BinaryIO))
    assert file.read() == b"value"
    release(file)
    assert file.closed
    for want in (IO[bytes], io.BufferedReader, BinaryIO | None):
        assert cast("BinaryIO", decode(stored, want)).read() == b"value"
    path, other = (cast("Path", decode(stored, Path)) for _ in range(2))
    assert path != other
    assert path.read_bytes() == b"value"
    release(path)
    assert not path.exists()
    assert other.read_bytes() == b"value"
    release(other)


def test_releasing_a_plain_value_does_nothing(tmp_path: Path) -> None:
    """A path that was a value, rather than made for its reader, is left alone."""
    kept = tmp_path / "kept"
    kept.touch()
    assert there_and_back(str(kept), Path) == kept
    for value in (kept, there_and_back(str(kept), Path), [1], None):
        release(value)
    assert kept.exists()


def test_batches_are_handed_out_one_by_one() -> None:
    """A table is read as an iterator of batches, or as a reader with its schema."""
    table = pa.Table.from_batches([BATCH, BATCH])
    batches = cast("Iterator[Any]", there_and_back(table, Iterator[pa.RecordBatch]))
    assert [batch.num_rows for batch in batches] == [2, 2]
    reader: Any = there_and_back(table, pa.RecordBatchReader)
    assert reader.schema == table.schema
    assert table.equals(reader.read_all())
