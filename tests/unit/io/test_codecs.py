"""Values become bytes, and come back as they were."""

from __future__ import annotations

import dataclasses
import math
import os
import subprocess
import sys
from collections import Counter, OrderedDict, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, RootModel

from flowstone.core.errors import CodecError
from flowstone.io import Encoded, decode, encode, restore
from tests.unit.io.shapes import (
    BIG,
    Aliased,
    AssetId,
    Blob,
    Box,
    Cat,
    Checked,
    Colour,
    Custom,
    Dog,
    Hex,
    Holder,
    Model,
    Modern,
    Nested,
    Open,
    Page,
    Pair,
    Partial,
    Pet,
    Point,
    Row,
    Size,
    Special,
    Strict,
    Tree,
    there_and_back,
)

pa: Any = import_module("pyarrow")  # it has no types

ROUND_TRIPS: list[tuple[object, object]] = [
    (None, None),
    (None, object),
    (None, Any),
    (None, type(None)),
    (None, list[int] | None),
    ({"a": [1, 2.5, "x", None, True, {}]}, None),
    ([1, 2], list[int]),
    ([1, 2], Sequence[int]),
    ([1, 2], Iterable[int]),
    ([1, 2], Collection[int]),
    ([[1], [2]], list[Iterable[int]]),
    ([1], Iterable),
    ({"a": 1}, Mapping[str, int]),
    ((1, "a", None), tuple[int, str, None]),
    ((1, 2, 3), tuple[int, ...]),
    ((), tuple[()]),
    (frozenset({1}), frozenset[int]),
    (deque([1]), deque[int]),
    (Counter("aab"), Counter[str]),
    (OrderedDict(b=1, a=2), OrderedDict[str, int]),
    (Pair(1, "b"), Pair),
    ([Pair(1, "b")], list[Pair]),
    (Size.SMALL, Size),
    ({Colour.RED: 1}, dict[Colour, int]),
    ({1: 2}, dict[int, int]),
    ({True: 2}, dict[bool, int]),
    ({1.5: 2, math.inf: 3}, dict[float, int]),
    ({date(2025, 1, 15): 2}, dict[date, int]),
    ({datetime(2025, 1, 15, tzinfo=UTC): 2}, dict[datetime, int]),
    ({timedelta(hours=1): 2}, dict[timedelta, int]),
    ({UUID(int=1): 2}, dict[UUID, int]),
    ({Decimal("1.0"): 2}, dict[Decimal, int]),
    ({b"\xff": 2}, dict[bytes, int]),
    ({Path("/a"): 2}, dict[Path, int]),
    ({"a": b"\xff"}, dict[str, bytes]),
    ([b"text", b"\xff\xfe"], list[bytes]),
    (time(1, 2, 3), time),
    (timedelta(days=-1, microseconds=1), timedelta),
    (-0.0, float),
    (1e308, float),
    (BIG, int),
    (-BIG, int),
    ({"n": BIG}, None),
    (1 + 2j, complex),
    (AssetId(3), AssetId),
    (3, Annotated[int, Field(gt=2)]),
    ("a", Literal["a"]),
    ("2025-01-15", str),
    ({"name": "a"}, Row),
    ([{"name": "a", "count": 1}], list[Row]),
    ({"k": {"name": "a"}}, dict[str, Row | None]),
    ({"name": "a", "rows": [{"name": "b"}]}, Partial),
    ({"children": [{"children": []}]}, Tree),
    ({"content": {"content": 1}}, Box[Box[int]]),
    ({"raw": b"\xff"}, Modern),
    ({"a": [1, {"b": None}]}, Nested),
    (Point(x=math.inf, raw=b"\xff", tags=frozenset("ba")), Point),
    ([Point(x=1)], list[Point]),
    (Holder([Point(x=1, raw=b"\xff")]), Holder[list[Point]]),
    (Checked(b"\xff", -math.inf), Checked),
    (Model(), Model),
    (Model(raw=b"text"), Model),
    (Model(raw=b"\xff", metadata=b"\xfe", rate=math.inf, tags=set("cab")), Model),
    (Model(default=[Model(raw=b"\xff")], inner=Model(raw=b"\xfd", rate=1.5)), Model),
    (Model(point=Point(x=1, raw=b"\xff"), by_id={UUID(int=1): b"\xff"}), Model),
    ([Model(raw=b"\xff"), Model()], list[Model]),
    ({"a": (Model(raw=b"\xff"), 1)}, dict[str, tuple[Model, int]]),
    (Holder(Model(raw=b"\xff", rate=math.inf)), Holder[Model]),
    (Aliased.model_validate({"value": 1, "OTHER": 2}), Aliased),
    (Strict(when=datetime(2025, 1, 15, tzinfo=UTC), pair=(1, "a")), Strict),
    (Open.model_validate({"a": 1, "b": [1]}), Open),
    (Hex(raw=b"\xff"), Hex),
    (Special(encoded=b"YWJj", nested="[1]", path="/a"), Special),  # pyright: ignore[reportArgumentType]
    (Custom(raw=b"\xff\x00"), Custom),
    (RootModel[list[bytes]]([b"\xff"]), RootModel[list[bytes]]),
    (Page[Model](items=[Model(raw=b"\xff")]), Page[Model]),
    ([Cat(raw=b"\xff"), Dog(rate=math.inf)], list[Pet]),
]


@pytest.mark.parametrize(("value", "want"), ROUND_TRIPS)
def test_round_trip(value: object, want: object) -> None:
    """IO-01: what is written is read back as it was, by its annotation."""
    back = there_and_back(value, want)
    assert back == value
    assert type(back) is type(value)


def test_nan_comes_back() -> None:
    """NaN is NaN again: by itself, as a key, inside a model, and with no annotation."""
    assert repr(there_and_back([math.nan, math.inf, -math.inf], None)) == (
        "[nan, inf, -inf]"
    )
    assert repr(there_and_back({math.nan: 1}, dict[float, int])) == "{nan: 1}"
    model = there_and_back(Model(rate=math.nan, anything=[math.nan]), Model)
    assert isinstance(model, Model)
    assert repr(model.rate) == "nan"
    assert repr(model.anything) == "[nan]"


@given(st.binary())
def test_bytes_are_kept_as_they_are(data: bytes) -> None:
    """Bytes are not converted, whichever type held them."""
    for value in (data, bytearray(data), memoryview(data)):
        encoded = encode(value)
        assert (encoded.codec, encoded.data) == ("bytes", data)
    assert decode(("bytes", data), None) == data
    assert decode(("bytes", data), bytes | None) == data
    assert decode(("bytes", data), Blob) == data
    mutable = decode(("bytes", data), bytearray)
    assert isinstance(mutable, bytearray)
    assert mutable == data
    view = decode(("bytes", data), Annotated[memoryview, "read only"])
    assert isinstance(view, memoryview)
    assert view == data


@given(
    st.recursive(
        st.binary() | st.floats(allow_nan=False) | st.sets(st.text()) | st.integers(),
        lambda inner: st.lists(inner, max_size=4),
        max_leaves=10,
    )
)
def test_anything_in_a_model_is_written_as_outside_of_it(value: object) -> None:
    """A value in a model's open field is written as it is by itself."""
    inside = there_and_back(Model(anything=value), Model)
    assert isinstance(inside, Model)
    if not isinstance(value, bytes):
        assert inside.anything == there_and_back(value, None)


def test_typing_tells_how_to_read_not_who_wrote() -> None:
    """Bytes in a model, a dataclass or a dict are the same JSON, read as any of them."""
    written = [encode(Cat(raw=b"\xff")), encode({"kind": "cat", "raw": b"\xff"})]
    assert written[0].data == written[1].data
    assert decode(written[1], Cat) == Cat(raw=b"\xff")
    assert decode(written[0], dict[str, str]) == {"kind": "cat", "raw": "_w=="}


def test_others_json_is_read_by_alias() -> None:
    """JSON that another system shaped is read by a model's aliases."""
    read = decode(encode({"value": 1, "OTHER": 5}), Aliased)
    assert isinstance(read, Aliased)
    assert (read.value_, read.other) == (1, 5)


def test_order_of_a_union_counts() -> None:
    """Unions that Python holds equal, and pydantic reads differently, stay apart."""
    stored = encode({"a": 1})
    first, second = decode(stored, Page1 | Page2), decode(stored, Page2 | Page1)
    assert (type(first), type(second)) == (Page1, Page2)


class Page1(BaseModel):
    a: int


class Page2(BaseModel):
    a: int


def test_unhashable_annotation() -> None:
    """An annotation that cannot be a key of a dict reads all the same."""
    assert there_and_back([1], Annotated[list[int], {"un": "hashable"}]) == [1]


def test_encoded_passes_through() -> None:
    """What was encoded before is not encoded again."""
    encoded = encode([1])
    assert encode(encoded) is encoded


def test_facts() -> None:
    """The codec is known, and the rows where a value has rows."""
    assert encode([1, 2]).facts == {"codec": "json", "rows": 2}
    assert encode({"a": 1}).facts == {"codec": "json"}
    assert encode(b"ab").facts == {"codec": "bytes"}
    assert encode(pa.table({"a": [1, 2, 3]})).facts == {"codec": "arrow", "rows": 3}


def test_reading_gives_fresh_objects() -> None:
    """Whoever changes what they have read disturbs no other reader."""
    encoded = encode({"a": [1]})
    for want in (None, dict[str, list[int]]):
        first = decode(encoded, want)
        assert isinstance(first, dict)
        first.clear()
        assert decode(encoded, want) == {"a": [1]}


def test_equal_sets_have_equal_digests_in_every_process() -> None:
    """The order of hashes, which differs between processes, is not in the bytes."""
    code = (
        "from flowstone.io import encode\n"
        "from pydantic import BaseModel\n"
        "class M(BaseModel):\n"
        "    tags: frozenset[str]\n"
        "words = {str(n) for n in range(50)}\n"
        "print(encode({'a': [words, M(tags=frozenset(words))]}).digest)"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            check=True,
            capture_output=True,
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
        ).stdout
        for seed in range(3)
    }
    assert len(digests) == 1


def test_digest_is_checked() -> None:
    """IO-20: data that are not those that were stored are refused."""
    stored = encode("a").stored_at("here")
    assert restore("json", b'"a"', at=stored, want=str) == "a"
    with pytest.raises(CodecError, match="kept at here is not what was stored"):
        restore("json", b'"b"', at=stored, want=str)


# --- arrow --------------------------------------------------------------------------


def test_table_keeps_schema_and_metadata() -> None:
    """A table has its types, nulls and metadata again."""
    schema = pa.schema(
        [
            pa.field(
                "at", pa.timestamp("us", "Europe/Zurich"), metadata={"unit": "us"}
            ),
            pa.field("kind", pa.dictionary(pa.int8(), pa.string()), nullable=True),
        ],
        metadata={"made": "by hand"},
    )
    table = pa.Table.from_pylist(
        [{"at": datetime(2025, 1, 15, tzinfo=UTC), "kind": None}], schema=schema
    )
    for want in (None, pa.Table, pa.Table | None, Annotated[pa.Table, "wide"]):
        back: Any = there_and_back(table, want)
        assert back.equals(table, check_metadata=True)


def test_chunks_become_one_batch() -> None:
    """All of a table is read where a batch is asked for, also when it is empty."""
    table = pa.concat_tables([pa.table({"a": [1]}), pa.table({"a": [2]})])
    batch: Any = there_and_back(table, pa.RecordBatch)
    assert batch.to_pylist() == [{"a": 1}, {"a": 2}]
    empty: Any = there_and_back(table.slice(2), pa.RecordBatch)
    assert empty.schema == table.schema
    assert empty.num_rows == 0


def test_encoded_is_plain_data() -> None:
    """What was encoded can be compared and copied."""
    encoded = encode({"a": 1})
    assert dataclasses.replace(encoded) == encoded
    assert encoded == Encoded(
        codec="json", data=b'{"a":1}', digest=encoded.digest, facts={"codec": "json"}
    )
