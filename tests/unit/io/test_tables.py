"""A table is read in the form that its reader is annotated to take."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib import import_module
from typing import Any

import pytest
from pydantic import BaseModel

from flowstone.core.errors import CodecError
from flowstone.io import decode, encode
from tests.unit.io.shapes import there_and_back

pa: Any = import_module("pyarrow")  # these have no types
pandas: Any = import_module("pandas")
polars: Any = import_module("polars")

ROWS: list[dict[str, Any]] = [
    {"day": date(2025, 1, 15), "count": 1},
    {"day": None, "count": 2},
]
TABLE = pa.Table.from_pylist(ROWS)


class Counted(BaseModel):
    """A row."""

    day: date | None
    count: int


@dataclass
class Plain:
    """The same."""

    day: date | None
    count: int


def test_rows_of_a_table() -> None:
    """A table is read as mappings, models or dataclasses, as its reader says."""
    assert there_and_back(TABLE, list[dict[str, object]]) == ROWS
    assert there_and_back(TABLE, list[Counted]) == [Counted(**row) for row in ROWS]
    plain = [Plain(**row) for row in ROWS]
    assert there_and_back(TABLE, Sequence[Plain]) == plain
    assert there_and_back(TABLE, Iterable[Plain]) == plain
    assert there_and_back(TABLE, tuple[Plain, Plain]) == tuple(plain)
    assert there_and_back(TABLE, list) == ROWS
    assert there_and_back(TABLE, list[Plain] | None) == plain


def test_rows_that_do_not_fit() -> None:
    """A row that does not fit its reader is named, and that it is a table's."""
    message = r"kept as an Arrow table, and .*at \[1\]\.day: Input should be a valid"
    with pytest.raises(CodecError, match=message):
        there_and_back(TABLE, list[dict[str, date]])
    with pytest.raises(CodecError, match="Annotate with pyarrow.Table"):
        there_and_back(TABLE, dict[str, int])


def test_frames_of_a_table() -> None:
    """A table is read as a frame of pandas or of polars."""
    frame: Any = there_and_back(TABLE, pandas.DataFrame)
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame["count"]) == [1, 2]
    frame = there_and_back(TABLE, polars.DataFrame | None)
    assert isinstance(frame, polars.DataFrame)
    assert frame.rows() == [(date(2025, 1, 15), 1), (None, 2)]


def test_rows_of_json_are_a_table() -> None:
    """Rows that were kept as JSON are a table for who asks for one."""
    stored = encode([{"a": 1}, {"b": "x", "a": 2}])
    table: Any = decode(stored, pa.Table)
    assert table.to_pylist() == [{"a": 1, "b": None}, {"a": 2, "b": "x"}]
    frame: Any = decode(stored, polars.DataFrame)
    assert frame.columns == ["a", "b"]
    with pytest.raises(CodecError, match="only a list of rows can be read as a table"):
        there_and_back({"a": 1}, pa.Table)


def test_a_library_that_is_missing_is_named() -> None:
    """Where a frame's library cannot be imported, the error says what to install."""
    code = (
        "import sys; sys.modules['polars'] = None\n"
        "import pyarrow\n"
        "from flowstone.io import decode, encode\n"
        "DataFrame = type('DataFrame', (), {'__module__': 'polars.frame'})\n"
        "try: decode(encode(pyarrow.table({'a': [1]})), DataFrame)\n"
        "except Exception as error: print(error)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout
    assert "Install 'flowstone[polars]'" in told


def test_moments_keep_their_zone() -> None:
    """An aware moment of a table is the same instant in a model."""

    class Seen(BaseModel):
        at: datetime

    moment = datetime(2025, 1, 15, 12, tzinfo=UTC)
    table = pa.table({"at": [moment]})
    assert there_and_back(table, list[Seen]) == [Seen(at=moment)]
