"""pydantic, faithful where a model says nothing else.

By default pydantic writes NaN in a model as null, bytes as UTF-8, and a set in the order
of this process's hashes. A model's own `model_config` still decides where it speaks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, cast

from pydantic import BaseModel
from pydantic_core import CoreConfig, SchemaSerializer, core_schema

if TYPE_CHECKING:
    from pydantic_core import CoreSchema
    from pydantic_core.core_schema import SerializerFunctionWrapHandler

__all__ = [
    "ANYTHING",
    "CONFIG",
    "SEQUENCES",
    "SETS",
    "faithful",
    "fields_of",
    "has_bytes",
    "is_model",
    "settled",
    "written",
]

CONFIG: Final = CoreConfig(
    ser_json_bytes="base64", val_json_bytes="base64", ser_json_inf_nan="constants"
)
"""What holds outside of models."""

ANYTHING: Final = SchemaSerializer(core_schema.any_schema(), CONFIG)
"""Writes a value by what it is, whatever it is annotated to be."""

SETS: Final = (set, frozenset)
SEQUENCES: Final = (list, tuple, deque, *SETS)

_OPAQUE = {"cls", "default", "expected", "members", "metadata"}


def faithful(schema: CoreSchema) -> CoreSchema:
    """Copy a schema so that it keeps bytes, NaN and the order of sets."""
    return cast("CoreSchema", _copy(schema))


def has_bytes(schema: CoreSchema) -> bool:
    """Tell whether bytes occur anywhere in what a schema describes."""
    return any(kind == "bytes" for kind in _kinds(schema))


def is_model(kind: type) -> bool:
    """Tell whether pydantic has a schema for the instances of a class."""
    written = is_dataclass(kind) and hasattr(kind, "__pydantic_serializer__")
    return written or issubclass(kind, BaseModel)


def fields_of(value: object) -> list[tuple[str, object]]:
    """Give the fields of a dataclass or a model, with their names."""
    if isinstance(value, BaseModel):
        return [*value.__dict__.items(), *(value.__pydantic_extra__ or {}).items()]
    return [(name, getattr(value, name, None)) for name in _names(type(value))]


@lru_cache(maxsize=1024)
def _names(kind: type) -> list[str]:
    if not is_dataclass(kind):
        return []
    return [field.name for field in fields(kind)]


def settled(value: object) -> object:
    """Put sets in order, and write models, so that what is left is plain."""
    kind = type(value)
    if is_model(kind):
        return _writer(kind).to_python(
            value, mode="json", by_alias=False, round_trip=True, warnings="none"
        )
    if isinstance(value, SETS):
        return _in_order([settled(item) for item in cast("Iterable[object]", value)])
    if isinstance(value, SEQUENCES):
        return [settled(item) for item in cast("Iterable[object]", value)]
    if isinstance(value, dict):
        table = cast("dict[object, object]", value)
        return {key: settled(item) for key, item in table.items()}
    if is_dataclass(kind):
        return {name: settled(item) for name, item in fields_of(value)}
    return value


def written(model: object) -> object:
    """Give what a model writes, dates and bytes as they are."""
    return _writer(type(model)).to_python(
        model, mode="python", by_alias=False, round_trip=True, warnings="none"
    )


@lru_cache(maxsize=1024)
def _writer(kind: type) -> SchemaSerializer:
    schema = cast("type[BaseModel]", kind).__pydantic_core_schema__
    return SchemaSerializer(faithful(schema), CONFIG, _use_prebuilt=False)


def _in_order(items: list[object]) -> list[object]:
    # by what is written, which equal sets have in common in every process
    return sorted(items, key=ANYTHING.to_json)


def _copy(part: object) -> object:
    # subclasses are values of the user's, such as members of an enumeration
    if type(part) is dict:
        schema = cast("dict[str, object]", part)
        kept = _opaque(schema)
        copied = {k: v if k in kept else _copy(v) for k, v in schema.items()}
        return copied | _additions(copied)
    if type(part) is list:
        return [_copy(item) for item in cast("list[object]", part)]
    if type(part) is tuple:
        return tuple(_copy(item) for item in cast("tuple[object, ...]", part))
    return part


def _opaque(schema: Mapping[str, object]) -> set[str]:
    """Give the keys not to look into; a table of fields, by contrast, has any names."""
    return _OPAQUE if isinstance(schema.get("type"), str) else set()


def _additions(schema: Mapping[str, object]) -> dict[str, object]:
    match schema:
        case {"type": "model" | "dataclass" | "typed-dict"}:
            return {"config": _config(cast("CoreConfig", schema.get("config") or {}))}
        case {"type": str(), "serialization": _}:
            return {}
        case {"type": "set" | "frozenset"}:
            return {"serialization": _SORTING}
        case {"type": "any"}:
            return {"serialization": _SETTLING}
        case _:
            return {}


def _config(given: CoreConfig) -> CoreConfig:
    """Add to a configuration; one direction that is set stands for both."""
    mode = given.get("val_json_bytes") or given.get("ser_json_bytes") or "base64"
    silent = CoreConfig(
        ser_json_bytes=mode, val_json_bytes=mode, ser_json_inf_nan="constants"
    )
    return cast("CoreConfig", {**silent, **given})


def _kinds(part: object) -> Iterator[object]:
    if type(part) is dict:
        schema = cast("dict[str, object]", part)
        kept = _opaque(schema)
        yield schema.get("type")
        for key, inner in schema.items():
            if key not in kept:
                yield from _kinds(inner)
    elif type(part) in {list, tuple}:
        for item in cast("list[object]", part):
            yield from _kinds(item)


def _sort(value: object, handler: SerializerFunctionWrapHandler) -> object:
    return _in_order(list(cast("list[object]", handler(value))))


_SORTING = core_schema.wrap_serializer_function_ser_schema(_sort, when_used="json")
_SETTLING = core_schema.plain_serializer_function_ser_schema(settled, when_used="json")
