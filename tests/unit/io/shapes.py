"""Types of every form that users annotate with."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, IntEnum
from pathlib import Path
from typing import (
    Annotated,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    NotRequired,
    Required,
    TypedDict,
    TypeVar,
)
from uuid import UUID

import typing_extensions
from pydantic import (
    Base64Bytes,
    BaseModel,
    ConfigDict,
    Field,
    Json,
    computed_field,
    field_serializer,
    field_validator,
)
from pydantic.dataclasses import dataclass as pydantic_dataclass

from flowstone.io import decode, encode

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
