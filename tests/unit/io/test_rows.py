"""A list of rows is a table where it comes back from one as it was."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from pydantic import BaseModel, Field, SecretStr, field_serializer

from flowstone.core.errors import CodecError
from flowstone.io import ParquetIO, decode, encode
from flowstone.io.rows import table_of_rows

pa: Any = import_module("pyarrow")  # it has no types
NAN = float("nan")
_ZONE = "tzinfo=zoneinfo.ZoneInfo(key='UTC')"


class Colour(Enum):
    """A choice."""

    RED = "red"


class Inner(BaseModel):
    """A part of a row."""

    raw: bytes
    sizes: tuple[int, ...] = ()


class Sale(BaseModel):
    """A row with much in it."""

    day: date
    price: Decimal
    colour: Colour = Colour.RED
    id: UUID = UUID(int=7)
    tags: frozenset[str] = frozenset()
    inner: Inner | None = None
    note: str | None = Field(default=None, alias="remark")
    ratio: float = NAN


@dataclass
class Point:
    """A row."""

    x: int
    where: Path = Path("here")
    parts: list[Inner] = field(default_factory=list[Inner])


TABLES: list[list[object]] = [
    [{"a": 1, "b": None}, {"a": None, "b": "x"}],
    [{"a": None}, {"a": None}],
    [{"a": NAN}, {"a": float("-inf")}, {"a": None}],
    [{"a": b"\xff", "b": date(2025, 1, 15), "c": time(1, 2, 3, 4)}],
    [{"a": timedelta(days=1), "b": Decimal("1.10"), "c": True}],
    [{"a": datetime(2025, 1, 15, tzinfo=UTC)}, {"a": None}],
    [{"a": datetime(2025, 1, 15), "b": datetime(2025, 1, 15, tzinfo=UTC)}],  # noqa: DTZ001
    [{"a": {"b": [1, 2], "c": None}}, {"a": None}],
    [{"a": [[]]}, {"a": []}, {"a": None}],
    [{"": "\x00", "a.b": "\N{GRINNING FACE}", "é": "é"}],
    [{"a": 2**62}, {"a": -(2**62)}],
]


@pytest.mark.parametrize("rows", TABLES)
def test_rows_that_are_tables(rows: list[object], tmp_path: Path) -> None:
    """Rows of columns that each hold one kind of things are kept as Parquet."""
    manager = ParquetIO(tmp_path)
    encoded = manager.encode(rows)
    assert getattr(encoded, "codec", None) == "parquet"
    loaded = decode(encoded, None)  # pyright: ignore[reportArgumentType]
    assert repr(loaded).replace(_ZONE, "tzinfo=datetime.timezone.utc") == repr(rows)


NO_TABLES: list[object] = [
    [],
    [{}],
    [{"a": 1}, {"b": 1}],
    [{"a": 1, "b": 2}, {"b": 2, "a": 1}],
    [{"a": 1}, {"a": 1.0}],
    [{"a": 1}, {"a": True}],
    [{"a": 1}, {"a": "1"}],
    [{"a": 2**70}],
    [{"a": {}}],
    [{"a": {"b": 1}}, {"a": {"c": 1}}],
    [{"a": [1, "x"]}],
    [{1: 1}],
    [{"a": "\ud800"}],
    [{"a": datetime(2025, 1, 15, tzinfo=UTC)}, {"a": datetime(2025, 1, 15)}],  # noqa: DTZ001
    [
        {"a": datetime(2025, 1, 15, tzinfo=UTC)},
        {"a": datetime(2025, 1, 15, tzinfo=ZoneInfo("Europe/Zurich"))},
    ],
    [{"a": time(1, tzinfo=timezone(timedelta(hours=1)))}],
    [{"a": object()}],
    [{"a": 1}, None],
    [1, 2],
    ({"a": 1},),
    {"a": 1},
    None,
    "rows",
]


@pytest.mark.parametrize("value", NO_TABLES)
def test_rows_that_are_none(value: object) -> None:
    """What a table would change is not made one: JSON keeps it, or says why not."""
    assert table_of_rows(value) is None


def test_models_are_rows_with_types(tmp_path: Path) -> None:
    """Models become columns of real types, and are the same models when read."""
    sales = [
        Sale(day=date(2025, 1, 15), price=Decimal("1.10"), ratio=0.5),
        Sale(
            day=date(2025, 1, 16),
            price=Decimal("22.00"),
            tags=frozenset({"b", "a"}),
            inner=Inner(raw=b"\xff", sizes=(1, 2)),
            remark="x",
        ),
    ]
    table = table_of_rows(sales)
    assert table.schema.field("day").type == pa.date32()
    assert table.schema.field("price").type == pa.decimal128(4, 2)
    assert table["tags"].to_pylist() == [[], ["a", "b"]]
    assert table.column_names[-2:] == ["note", "ratio"]
    encoded: Any = ParquetIO(tmp_path).encode(sales)
    loaded: Any = decode(encoded, list[Sale])
    assert repr(loaded) == repr(sales)


def test_dataclasses_are_rows(tmp_path: Path) -> None:
    """Dataclasses become rows, and are the same when read."""
    points = [Point(1, Path("a"), [Inner(raw=b"x")]), Point(2)]
    encoded: Any = ParquetIO(tmp_path).encode(points)
    assert encoded.codec == "parquet"
    assert decode(encoded, list[Point]) == points


class Loud(BaseModel):
    """A model that writes what it cannot read."""

    word: str
    size: int = 0

    @field_serializer("size")
    def _out(self, size: int) -> str:
        return f"{size} bytes"


class Private(BaseModel):
    """A model with a secret."""

    secret: SecretStr


def test_models_that_write_otherwise_are_left_to_json(tmp_path: Path) -> None:
    """A model that is not read from what it writes is judged as it is elsewhere."""
    assert table_of_rows([Loud(word="a")]) is None
    assert table_of_rows([Loud(word="a"), Point(1)]) is None
    assert table_of_rows([Private(secret=SecretStr("hunter2"))]) is None
    with pytest.raises(CodecError, match="kept as asterisks"):
        ParquetIO(tmp_path).encode([Private(secret=SecretStr("hunter2"))])


def test_a_table_is_as_json_to_its_reader(tmp_path: Path) -> None:
    """A reader gets the same from rows that became a table and from JSON."""
    rows = [{"day": date(2025, 1, 15), "count": 1}, {"day": None, "count": 2}]
    for want in (list[dict[str, object]], list[dict[str, date | int | None]]):
        from_table: Any = decode(ParquetIO(tmp_path).encode(rows), want)  # pyright: ignore[reportArgumentType]
        assert [set(row) for row in from_table] == [{"day", "count"}] * 2
    assert decode(encode(rows), pa.Table) is not None
