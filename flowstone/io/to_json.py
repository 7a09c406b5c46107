"""A value as JSON that can be read back as what it was.

pydantic does the writing. Around it: a quick look at what the value holds, since some
of it would be written without complaint and be something else when read; and a patient
one, after a failure, for the place to name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, is_dataclass
from functools import lru_cache
from itertools import chain
from typing import cast

from pydantic import SecretBytes, SecretStr
from pydantic_core import from_json

from flowstone.core.errors import CodecError
from flowstone.io.faithful import (
    ANYTHING,
    SEQUENCES,
    SETS,
    fields_of,
    is_model,
    settled,
)
from flowstone.io.remedies import (
    KEY_UNREADABLE,
    KEYS_COLLIDE,
    MASKED,
    Refusal,
    name_of,
    refusal,
)

__all__ = ["write_json"]

_DEEPEST = 190
"""Levels that are certain to be read back; the parser stops a little above."""

_LONGEST = 4300
"""Digits of an integer; neither Python nor the parser reads more."""

_TO_ZEROS = bytes.maketrans(b"123456789", b"000000000")
_ZEROS = b"0" * (_LONGEST + 1)
_ASTERISKS = b"**********"
_SECRETS = (SecretStr, SecretBytes)
_BYTES = (bytes, bytearray)
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
    found = settled(value) if seen.needs_care else value
    # a field that was assigned another type is the reader's to judge
    data = ANYTHING.to_json(found, by_alias=False, round_trip=True, warnings="none")
    _check_readable(data, seen)
    return data


def _check_readable(data: bytes, seen: _Look) -> None:
    if seen.levels > _DEEPEST or _ZEROS in data.translate(_TO_ZEROS):
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
        return self.has(SETS) or (self.models and (self.infinite or self.has(_BYTES)))

    def has(self, kinds: tuple[type, ...]) -> bool:
        """Tell whether there is anything of these kinds."""
        return any(issubclass(kind, kinds) for kind in self.kinds)


def _look(value: object) -> _Look:
    """Go through a value level by level, so that the inner loops are not Python's."""
    seen, level = _Look(set()), [value]
    while level and seen.levels <= _DEEPEST:
        here, inside = set(map(type, level)), seen.models
        seen.kinds |= here
        seen.infinite |= inside and any(map(_is_infinite, level))
        inner: list[Iterable[Iterable[object]]] = []
        for kind in here:
            opener = _opener(kind)
            if opener is not None:
                # once each: what refers to itself ends, where the parser does
                boxes = {id(x): x for x in level if type(x) is kind}.values()
                inner.append(map(opener, boxes))
                seen.models |= is_model(kind)
                if issubclass(kind, dict) and not inside:
                    _check_keys(cast("Iterable[dict[object, object]]", boxes))
        level = list(chain.from_iterable(chain.from_iterable(inner)))
        seen.levels += bool(inner)
    return seen


@lru_cache(maxsize=1024)
def _opener(kind: type) -> _Open | None:
    """Give what lists the parts of things of a kind; `None` where there are none."""
    if is_model(kind) or is_dataclass(kind):
        return _values
    if issubclass(kind, dict):
        return cast("_Open", dict.values)
    if issubclass(kind, SEQUENCES):
        return cast("_Open", iter)
    return None


def _values(box: object) -> Iterable[object]:
    return [part for _, part in fields_of(box)]


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
    if isinstance(value, SEQUENCES):
        items = enumerate(cast("Iterable[object]", value))
        return [(f"[{index}]", item) for index, item in items]
    named = [(f".{name}", item) for name, item in fields_of(value)]
    # a model may leave out a part, or write it in its own way
    return [one for one in named if not is_model(type(value)) or _fails(value, one[0])]


def _fails(model: object, field: str) -> bool:
    try:
        ANYTHING.to_json(model, include={field[1:]}, round_trip=True, warnings="none")
    except Exception:  # noqa: BLE001 - serializers are the user's
        return True
    return False
