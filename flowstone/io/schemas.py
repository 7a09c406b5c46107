"""pydantic's schemas, with what faithful storing needs where a model is silent.

By default pydantic writes NaN in a model as null, bytes as UTF-8, and a set in the order
of this process's hashes. A model's own `model_config` still decides where it speaks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final, cast

from pydantic_core import CoreConfig, SchemaSerializer, core_schema

if TYPE_CHECKING:
    from pydantic_core import CoreSchema
    from pydantic_core.core_schema import SerializerFunctionWrapHandler

__all__ = ["ANYTHING", "CONFIG", "faithful", "has_bytes", "in_order"]

CONFIG: Final = CoreConfig(
    ser_json_bytes="base64", val_json_bytes="base64", ser_json_inf_nan="constants"
)
"""What holds outside of models."""

ANYTHING: Final = SchemaSerializer(core_schema.any_schema(), CONFIG)
"""Writes a value by what it is, whatever it is annotated to be."""

_CONFIGURED = {"model", "dataclass", "typed-dict"}
_SETS = {"set", "frozenset"}
_OPAQUE = {"cls", "default", "expected", "members", "metadata"}


def faithful(schema: CoreSchema) -> CoreSchema:
    """Copy a schema so that it keeps bytes, NaN and the order of sets."""
    return cast("CoreSchema", _copy(schema))


def has_bytes(schema: CoreSchema) -> bool:
    """Tell whether bytes occur anywhere in what a schema describes."""
    return any(kind == "bytes" for kind in _kinds(schema))


def in_order(items: list[object]) -> list[object]:
    """Sort what was a set, so that equal sets have equal bytes in every process."""
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
    kind = schema.get("type")
    if not isinstance(kind, str):
        return {}
    if kind in _CONFIGURED:
        return {"config": _config(cast("CoreConfig", schema.get("config") or {}))}
    if kind in _SETS and "serialization" not in schema:
        ordered = core_schema.wrap_serializer_function_ser_schema(
            _write_in_order, when_used="json"
        )
        return {"serialization": ordered}
    return {}


def _config(given: CoreConfig) -> CoreConfig:
    """Add to a configuration; one direction that is set stands for both."""
    mode = given.get("val_json_bytes") or given.get("ser_json_bytes") or "base64"
    silent = CoreConfig(
        ser_json_bytes=mode, val_json_bytes=mode, ser_json_inf_nan="constants"
    )
    return cast("CoreConfig", {**silent, **given})


def _write_in_order(value: object, handler: SerializerFunctionWrapHandler) -> object:
    return in_order(list(cast("list[object]", handler(value))))


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
