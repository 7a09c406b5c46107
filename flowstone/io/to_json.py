"""A value as JSON that can be read back as what it was.

pydantic does the writing. Around it: a quick look at what the value holds, since some
of it would be written without complaint and be something else when read; and a patient
one, after a failure, for the place to name.
"""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, cast

from pydantic import SecretBytes, SecretStr
from pydantic_core import SchemaSerializer, from_json

from flowstone.core.errors import CodecError
from flowstone.io.remedies import (
    KEY_UNREADABLE,
    KEYS_COLLIDE,
    MASKED,
    Refusal,
    name_of,
    refusal,
)
from flowstone.io.schemas import ANYTHING, CONFIG, faithful, in_order

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from pydantic import BaseModel

__all__ = ["write_json"]

_DEEPEST = 190
"""Levels that are certain to be read back; the parser stops a little above."""

_LONGEST = 4300
"""Digits of an integer; neither Python nor the parser reads more."""

_LONG_NUMBER = re.compile(rb"(?<!\d)\d{%d}" % (_LONGEST + 1))
_ASTERISKS = b"**********"
_SECRETS = (SecretStr, SecretBytes)
_BYTES = (bytes, bytearray)
_SETS = (set, frozenset)
_SEQUENCES = (list, tuple, deque, *_SETS)
_UNKEYABLE = (tuple, type(None))

_Open = Callable[[object], Iterable[object]]


def write_json(value: object) -> bytes:
    """Encode a value, or say which part of it cannot be, and what to do."""
    try:
        return _write(value)
    except Exception as error:
        path, culprit, reason = _locate(value, error)
        raise CodecError(
            type_name=name_of(type(culprit)),
            reason=f"at {path or 'the top'}: {refusal(culprit, reason)}",
        ) from error


def _write(value: object) -> bytes:
    seen = _look(value)
    found = _settled(value) if seen.needs_care else value
    # a field that was assigned another type is the reader's to judge
    data = ANYTHING.to_json(found, by_alias=False, round_trip=True, warnings="none")
    _check_readable(data, seen)
    return data


def _check_readable(data: bytes, seen: _Look) -> None:
    if seen.levels > _DEEPEST or (len(data) > _LONGEST and _LONG_NUMBER.search(data)):
        from_json(data)
    if _ASTERISKS in data and seen.has(_SECRETS):
        raise Refusal(MASKED)


# --- a quick look -------------------------------------------------------------------


@dataclass(slots=True)
class _Look:
    """What kinds of things a value holds, and how deep it goes."""

    kinds: set[type]
    levels: int = 0
    models: bool = False
    infinite: bool = False

    @property
    def needs_care(self) -> bool:
        """Tell whether pydantic, left alone, would write something else."""
        return self.has(_SETS) or (self.models and (self.infinite or self.has(_BYTES)))

    def has(self, kinds: tuple[type, ...]) -> bool:
        """Tell whether there is anything of these kinds."""
        return any(issubclass(kind, kinds) for kind in self.kinds)


def _look(value: object) -> _Look:
    """Go through a value level by level, so that the inner loops are not Python's."""
    seen, level = _Look(set()), [value]
    while level and seen.levels <= _DEEPEST:
        here = set(map(type, level))
        seen.kinds |= here
        seen.infinite |= seen.models and any(map(_is_infinite, level))
        inner: list[Iterable[object]] = []
        for kind in here:
            opener = _opener(kind)
            if opener is not None:
                # once each: what refers to itself ends, where the parser does
                boxes = {id(x): x for x in level if type(x) is kind}.values()
                inner += map(opener, boxes)
                seen.models |= _is_model(kind)
                if issubclass(kind, dict):
                    _check_keys(cast("Iterable[dict[object, object]]", boxes))
        level = list(chain.from_iterable(inner))
        seen.levels += bool(inner)
    return seen


@lru_cache(maxsize=1024)
def _opener(kind: type) -> _Open | None:
    """Give what lists the parts of things of a kind; `None` where there are none."""
    if _is_model(kind) or is_dataclass(kind):
        return _values
    if issubclass(kind, dict):
        return cast("_Open", dict.values)
    if issubclass(kind, _SEQUENCES):
        return cast("_Open", iter)
    return None


def _values(box: object) -> Iterable[object]:
    return [part for _, part in _parts(box)]


def _is_model(kind: type) -> bool:
    return hasattr(kind, "__pydantic_serializer__")


def _is_infinite(item: object) -> bool:
    return isinstance(item, float) and not math.isfinite(item)


def _check_keys(boxes: Iterable[Mapping[object, object]]) -> None:
    if set(map(type, chain.from_iterable(boxes))) <= {str}:
        return
    for box in boxes:
        for key in box:
            if isinstance(key, _UNKEYABLE):
                raise Refusal(KEY_UNREADABLE.format(cast("object", key)))
        if len(set(map(type, box))) > 1:
            names = from_json(ANYTHING.to_json(dict.fromkeys(box)))
            if len(names) < len(box):
                raise Refusal(KEYS_COLLIDE)


# --- with care ----------------------------------------------------------------------


def _settled(value: object) -> object:
    """Put sets in order, and have models written by their faithful schemas."""
    kind = type(value)
    if _is_model(kind):
        return _faithful_writer(kind).to_python(
            value, mode="json", by_alias=False, round_trip=True, warnings="none"
        )
    if isinstance(value, _SETS):
        items = cast("Iterable[object]", value)
        return in_order([_settled(item) for item in items])
    if isinstance(value, _SEQUENCES):
        return [_settled(item) for item in cast("Iterable[object]", value)]
    if isinstance(value, dict):
        table = cast("dict[object, object]", value)
        return {key: _settled(item) for key, item in table.items()}
    if is_dataclass(type(value)):
        return {name: _settled(item) for name, item in _parts(value)}
    return value


@lru_cache(maxsize=1024)
def _faithful_writer(kind: type) -> SchemaSerializer:
    schema = cast("type[BaseModel]", kind).__pydantic_core_schema__
    return SchemaSerializer(faithful(schema), CONFIG, _use_prebuilt=False)


# --- after a failure ----------------------------------------------------------------


def _locate(value: object, error: Exception) -> tuple[str, object, Exception]:
    """Go down to the deepest part that fails by itself."""
    path = ""
    for _ in range(_DEEPEST):
        for label, part in _labelled(value):
            failure = _failure(part)
            if failure is not None:
                path, value, error = path + label, part, failure
                break
        else:
            return path, value, error
    # so deep that its place says nothing
    return "", value, error


def _failure(value: object) -> Exception | None:
    try:
        _write(value)
    except Exception as error:  # noqa: BLE001 - serializers are the user's
        return error
    return None


def _labelled(value: object) -> Iterable[tuple[str, object]]:
    if isinstance(value, dict):
        table = cast("dict[object, object]", value)
        return [(f"[{key!r}]", item) for key, item in table.items()]
    if isinstance(value, _SEQUENCES):
        items = enumerate(cast("Iterable[object]", value))
        return [(f"[{index}]", item) for index, item in items]
    return [(f".{name}", item) for name, item in _parts(value)]


def _parts(value: object) -> list[tuple[str, object]]:
    """Give the fields of a dataclass or a model, with their names."""
    if is_dataclass(type(value)):
        names = [field.name for field in fields(cast("DataclassInstance", value))]
        return [(name, getattr(value, name, None)) for name in names]
    if _is_model(type(value)):
        model = cast("BaseModel", value)
        return [*model.__dict__.items(), *(model.__pydantic_extra__ or {}).items()]
    return []
