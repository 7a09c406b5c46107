"""A value that cannot be kept, or read, is refused with its place and the remedy."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Any, cast

import pytest
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    field_serializer,
    field_validator,
)

from flowstone.core.errors import CodecError
from flowstone.io import decode, encode
from tests.unit.io.shapes import (
    BIG,
    Holder,
    Items,
    Model,
    Pair,
    Point,
    Row,
    there_and_back,
)

pa: Any = import_module("pyarrow")  # it has no types

# --- what cannot be written ---------------------------------------------------------


class Opaque:
    pass


Int64 = type("int64", (), {"__module__": "numpy"})


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
    (Opaque(), r"test_refusals\.Opaque' does not fit: at the top: JSON has no form"),
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
    ((n for n in [Opaque()]), r"Opaque' does not fit: at \[0\]: JSON has no form"),
    (Int64(), r"'numpy\.int64'.* Convert it by \.item\(\)"),
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
    (1, Opaque, r"test_refusals\.Opaque' does not fit: values cannot be read as it"),
    (1, list[Opaque], r"list\[.*Opaque\]' does not fit: values cannot be read as it"),
    (1, "Nowhere", "'Nowhere' does not fit: values cannot be read as it"),
    (1, 7, "'7' does not fit: values cannot be read as it"),
    (b"ab", str, "'str' does not fit: at the top: Input should be a valid string"),
    (b"ab", list[int], "valid list"),
    (b"ab", Annotated[bytes, Field(max_length=1)], "at most 1 byte"),
    (pa.table({"a": [1]}), list[int], "kept as an Arrow table"),
    (1, pa.Table, "'pyarrow.lib.Table' does not fit: it is kept as JSON, of which"),
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
    """Data that are no such thing are a codec's error, and run nothing (SEC-02)."""
    for want in (None, list[int]):
        with pytest.raises(CodecError, match=message):
            decode((codec, data), want)
