"""A value is written to a file as it is, and as it comes where it is a stream."""

from __future__ import annotations

import io
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from flowstone.cli.values import as_data, write_value

pa: Any = import_module("pyarrow")  # it has no types
BATCH = pa.record_batch({"a": [1, None]})


def test_values_become_files(tmp_path: Path) -> None:
    """JSON, bytes, a file and a path are written as they are kept."""
    source, file = tmp_path / "source", tmp_path / "out"
    source.write_bytes(b"lines")
    for value, content in (
        ({"a": [1]}, b'{"a":[1]}'),
        (b"\x00\xff", b"\x00\xff"),
        (source, b"lines"),
        (io.BytesIO(b"lines"), b"lines"),
    ):
        assert write_value(value, file) == len(content)
        assert file.read_bytes() == content


def test_batches_become_an_arrow_stream(tmp_path: Path) -> None:
    """A table and batches are written as one stream that Arrow reads."""
    file = tmp_path / "out"
    for value in (pa.table(BATCH), iter([BATCH]), pa.table(BATCH).to_reader()):
        assert write_value(value, file) == file.stat().st_size
        assert pa.ipc.open_stream(file.read_bytes()).read_all().equals(pa.table(BATCH))


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """The error names the file and why."""
    with pytest.raises(Exception, match="cannot be written: Is a directory"):
        write_value(1, tmp_path)


def test_what_json_does_not_hold_is_no_answer() -> None:
    """Bytes, a file or a table are told, with the option that writes them."""
    for value, kind in (
        (b"x", "bytes"),
        (io.BytesIO(b"x"), "bytes"),
        (iter([BATCH]), "Arrow"),
    ):
        with pytest.raises(Exception, match=f"{kind}.*--out FILE"):
            as_data(value)
    assert as_data({"a": 1}) == {"a": 1}
