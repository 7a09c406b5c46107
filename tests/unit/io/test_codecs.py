"""Values become bytes and come back as they were, or the error says which part does not."""

from __future__ import annotations

import dataclasses
import math
import os
import subprocess
import sys
from collections import Counter, OrderedDict, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from importlib import import_module
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    NotRequired,
    Required,
    TypedDict,
    TypeVar,
    cast,
)
from uuid import UUID

import pytest
import typing_extensions
from hypothesis import given
from hypothesis import strategies as st
from pydantic import (
    Base64Bytes,
    BaseModel,
    ConfigDict,
    Field,
    Json,
    RootModel,
    SecretStr,
    computed_field,
    field_serializer,
    field_validator,
)
from pydantic.dataclasses import dataclass as pydantic_dataclass

from flowstone.core.errors import CodecError
from flowstone.io import Encoded, decode, encode, restore

pa: Any = import_module("pyarrow")  # it has no types
np: Any = import_module("numpy")

T = TypeVar("T")
AssetId = NewType("AssetId", int)
Blob = NewType("Blob", bytes)
Items = list[tuple[list[int], int]]
Nested = dict[str, list[dict[str, None] | int]]
BIG = int("9" * 4300)


class Size(IntEnum):
    SMALL = 1


class Colour(Enum):
    RED = "red"


class Pair(NamedTuple):
    a: int
    b: str


class Row(TypedDict):
    name: str
    count: NotRequired[int]


class Partial(TypedDict, total=False):
    name: Required[str]
    rows: list[Row]


class Tree(TypedDict):
    children: list[Tree]


class Box(TypedDict, Generic[T]):
    content: T


class Modern(typing_extensions.TypedDict):
    raw: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    x: float
    raw: bytes = b""
    tags: frozenset[str] = frozenset()


@dataclass
class Holder(Generic[T]):
    content: T
    later: int = field(default=3, init=False)


@pydantic_dataclass
class Checked:
    raw: bytes
    at: float = 0.0


class Model(BaseModel):
    raw: bytes = b""
    rate: float | None = None
    anything: object = None
    tags: set[str] = set()
    metadata: bytes = b""
    default: list[Model] = []
    inner: Model | None = None
    point: Point | None = None
    by_id: dict[UUID, bytes] = {}


class Aliased(BaseModel):
    value_: int = Field(alias="value")
    other: int = Field(1, validation_alias="OTHER", serialization_alias="Other")


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    when: datetime
    pair: tuple[int, str]

    @computed_field
    @property
    def double(self) -> int:
        return self.pair[0] * 2


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")


class Hex(BaseModel):
    model_config = ConfigDict(ser_json_bytes="hex")

    raw: bytes


class Special(BaseModel):
    encoded: Base64Bytes
    nested: Json[list[int]]
    path: Path


class Custom(BaseModel):
    raw: bytes

    @field_serializer("raw", when_used="json")
    def _out(self, raw: bytes) -> str:
        return "custom:" + raw.hex()

    @field_validator("raw", mode="before")
    @classmethod
    def _in(cls, raw: object) -> object:
        if isinstance(raw, str):
            return bytes.fromhex(raw.removeprefix("custom:"))
        return raw


class Page(BaseModel, Generic[T]):
    items: list[T]


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    raw: bytes = b""


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"
    rate: float = 0


Pet = Annotated[Cat | Dog, Field(discriminator="kind")]


def there_and_back(value: object, want: object) -> object:
    return decode(encode(value), want)


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


# --- what cannot be written ---------------------------------------------------------


class Opaque:
    pass


class Pairs(BaseModel):
    """A model that writes in its own way what JSON has no form for."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    table: dict[tuple[int, int], int] = {}
    cache: dict[tuple[int, int], int] = Field(default={}, exclude=True)
    opaque: Opaque = Opaque()
    anything: object = None

    @field_serializer("table")
    def _out(self, table: dict[tuple[int, int], int]) -> list[object]:
        return list(table.items())

    @field_validator("table", mode="before")
    @classmethod
    def _in(cls, table: object) -> object:
        if isinstance(table, list):
            return {tuple(key): value for key, value in cast("Items", table)}
        return table

    @field_serializer("opaque")
    def _opaque_out(self, opaque: Opaque) -> str:
        return "opaque"

    @field_validator("opaque", mode="before")
    @classmethod
    def _opaque_in(cls, opaque: object) -> object:
        return Opaque()


class Raising(BaseModel):
    x: int

    @field_serializer("x")
    def _out(self, x: int) -> int:
        raise KeyError(x)


class Account(BaseModel):
    password: SecretStr


class Revealed(Account):
    @field_serializer("password")
    def _out(self, password: SecretStr) -> str:
        return password.get_secret_value()


def deep(levels: int) -> list[object]:
    value: list[object] = []
    for _ in range(levels - 1):
        value = [value]
    return value


def circular() -> list[object]:
    value: list[object] = []
    value.append(value)
    return value


UNWRITABLE: list[tuple[object, str]] = [
    (Opaque(), r"test_codecs\.Opaque' does not fit: at the top: JSON has no form"),
    ({"a": [1, Opaque()]}, r"Opaque' does not fit: at \['a'\]\[1\]: JSON has no form"),
    (Holder((1, {2: Opaque()})), r"at \.content\[1\]\[2\]: JSON has no form"),
    (Model(anything=[Opaque()]), r"at \.anything\[0\]: JSON has no form"),
    (
        [lambda: 0],
        r"'function' does not fit: at \[0\]: JSON has no form for it. Return",
    ),
    (Opaque, "'type' does not fit"),
    ([Point], "'type' does not fit"),
    (range(3), "'range' does not fit"),
    ((n for n in [Opaque()]), "'generator' does not fit"),
    (np.int64(1), r"'numpy\.int64'.* Convert it by \.item\(\)"),
    ({"t": pa.table({"a": [1]})}, r"'pyarrow\.lib\.Table'.* Return a Table by itself"),
    (["\ud800"], r"'str' does not fit: at \[0\]: its text has a lone surrogate"),
    ({"\ud800": 1}, "'dict' does not fit: at the top: its text has a lone surrogate"),
    ("\udfff", "lone surrogate"),
    ({(1, 2): 3}, r"its key \(1, 2\) cannot be read back from JSON.* list of pairs"),
    ({"a": {None: 3}}, r"at \['a'\]: its key None cannot be read back"),
    ({Pair(1, "b"): 3}, "cannot be read back"),
    ({frozenset({1}): 3}, "`frozenset` not valid as object key"),
    ({1: "a", "1": "b"}, "different in Python and the same in JSON"),
    ([BIG * 10], r"'int' does not fit: at \[0\]: it has an integer of more than 4,300"),
    ({"n": [-BIG * 10]}, r"at \['n'\]\[0\]: it has an integer"),
    (deep(202), "nested too deep"),
    (deep(5_000), "nested too deep"),
    (circular(), "it contains itself"),
    ({"a": circular()}, "it contains itself"),
    ([circular(), {1}], "it contains itself"),
    (Raising(x=1), "Error calling function `_out`: KeyError: 1"),
    (Account(password=SecretStr("x")), "a secret would be kept as asterisks"),
    (
        [SecretStr("x")],
        r"'pydantic\.types\.SecretStr' does not fit: at \[0\]: a secret",
    ),
]


@pytest.mark.parametrize(("value", "message"), UNWRITABLE)
def test_unwritable(value: object, message: str) -> None:
    """A value that cannot be kept is named by type and place, with the remedy."""
    with pytest.raises(CodecError, match=message):
        encode(value)


def test_depth_that_is_written_is_read() -> None:
    """Up to the greatest depth that is accepted, a value comes back."""
    for levels in (188, 195, 200):
        value = deep(levels)
        assert there_and_back(value, None) == value
        assert there_and_back([value, {1}][:1], list[object]) == [value][:1]


def test_digits_in_text_are_no_number() -> None:
    """A text may have as many digits as it likes."""
    text = "7" * 10_000
    assert there_and_back([text, "x" * 10_000], None) == [text, "x" * 10_000]


def test_models_own_ways() -> None:
    """What a model writes by itself, or leaves out, is its own business."""
    model = Pairs(table={(1, 2): 3}, cache={(4, 5): 6})
    back = there_and_back(model, Pairs)
    assert isinstance(back, Pairs)
    assert (back.table, back.cache) == ({(1, 2): 3}, {})
    with pytest.raises(CodecError, match=r"at \.anything\[0\]: JSON has no form"):
        encode(Pairs(anything=[Opaque()]))


def test_annotated_classes_are_left_as_they_are() -> None:
    """Reading a dataclass does not turn it into something of pydantic's."""
    before = set(vars(Point))
    there_and_back(Point(x=1), Point)
    assert set(vars(Point)) == before


def test_secret_that_is_meant_to_be_written() -> None:
    """A model that writes its secrets by itself is taken at its word."""
    encoded = encode(Revealed(password=SecretStr("x")))
    assert decode(encoded, dict[str, str]) == {"password": "x"}
    assert there_and_back("**********", str) == "**********"


def test_excluded_parts_may_be_circular() -> None:
    """What a model leaves out is not looked at too closely."""

    class Node(BaseModel):
        name: str
        parent: Node | None = Field(default=None, exclude=True)
        children: list[Node] = []

    root = Node(name="root")
    root.children = [Node(name="a", parent=root), Node(name="b", parent=root)]
    assert there_and_back(root, None) == {
        "name": "root",
        "children": [
            {"name": "a", "children": []},
            {"name": "b", "children": []},
        ],
    }


# --- what cannot be read ------------------------------------------------------------


class Picky(BaseModel):
    x: int

    @field_validator("x")
    @classmethod
    def _check(cls, x: int) -> int:
        raise KeyError(x)


UNREADABLE: list[tuple[object, object, str]] = [
    ("x", int, "'int' does not fit: at the top: Input should be a valid integer"),
    ({"a": [1, "x"]}, dict[str, list[int]], r"at \.a\[1\]: Input should be"),
    (
        [{"name": 1}] * 5,
        list[Row],
        r"at \[0\]\.name: .*; at \[1\]\.name.*; at \[2\]\.name.*; and 2 more",
    ),
    ([1], tuple[int, int], "Field required"),
    ({"x": 1}, Picky, "reading raised KeyError: 1"),
    (1, Opaque, r"test_codecs\.Opaque' does not fit: values cannot be read as it"),
    (1, list[Opaque], r"list\[.*Opaque\]' does not fit: values cannot be read as it"),
    (1, "Nowhere", "'Nowhere' does not fit: values cannot be read as it"),
    (1, 7, "'7' does not fit: values cannot be read as it"),
    (b"ab", str, "'str' does not fit: at the top: Input should be a valid string"),
    (b"ab", list[int], "valid list"),
    (b"ab", Annotated[bytes, Field(max_length=1)], "at most 1 byte"),
    (pa.table({"a": [1]}), list[int], "kept as an Arrow table"),
    (1, pa.Table, "'pyarrow.lib.Table' does not fit: values cannot be read as it"),
]


@pytest.mark.parametrize(("value", "want", "message"), UNREADABLE)
def test_unreadable(value: object, want: object, message: str) -> None:
    """A value that does not fit its reader says where, or that nothing can be so read."""
    with pytest.raises(CodecError, match=message):
        there_and_back(value, want)


def test_input_is_not_quoted() -> None:
    """What a value holds may be private; an error says what is wrong, not what it is."""
    with pytest.raises(CodecError) as caught:
        there_and_back({"pin": "hunter2"}, dict[str, int])
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("codec", "data", "message"),
    [
        ("json", b"{", "Invalid JSON|EOF"),
        ("arrow", b"nonsense", "no Arrow stream"),
        ("pickle", b"", "encoded by 'pickle', which this release does not know"),
    ],
)
def test_damaged(codec: str, data: bytes, message: str) -> None:
    """Data that are no such thing are a codec's error, not a parser's."""
    for want in (None, list[int]):
        with pytest.raises(CodecError, match=message):
            decode((codec, data), want)


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
