"""What was stored, as its reader is annotated to take it; plain without an annotation."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, cast

from pydantic import TypeAdapter, ValidationError
from pydantic_core import SchemaValidator, from_json

from flowstone.core.errors import CodecError
from flowstone.io.annotations import readable
from flowstone.io.faithful import CONFIG, faithful, has_bytes
from flowstone.io.remedies import misfit, name_of

__all__ = ["as_read", "as_wanted", "asks_nothing", "read_json"]

_PLAIN: Final = (None, object, Any)
_REMEDY = "Change the annotation, or materialize the value again."
_UNREADABLE = (
    "values cannot be read as it. Annotate with plain types, a dataclass, a TypedDict "
    "or a pydantic model, or leave the annotation out."
)


def asks_nothing(want: object) -> bool:
    """Tell whether an annotation leaves it open what is read."""
    return any(want is plain for plain in _PLAIN)


def read_json(data: bytes, want: object) -> object:
    """Decode JSON; a fresh value each time."""
    if asks_nothing(want):
        return _checked(want, lambda: from_json(data))
    reader = _reader(want)
    # written by name; by alias is how somebody else's JSON may come
    return _checked(
        want, lambda: reader.validate_json(data, by_alias=True, by_name=True)
    )


def as_wanted(value: object, want: object) -> object:
    """Check a value that was not JSON against an annotation, converting nothing."""
    reader = _reader(want)
    return _checked(want, lambda: reader.validate_python(value, strict=True))


def as_read(value: object, want: object) -> object:
    """Read plain values as JSON would be read, though they never were text."""
    reader = _reader(want)
    return _checked(
        want, lambda: reader.validate_python(value, by_alias=True, by_name=True)
    )


def _checked(want: object, read: Callable[[], object]) -> object:
    try:
        return read()
    except ValidationError as error:
        reason = f"{misfit(error)}. {_REMEDY}"
        raise CodecError(type_name=name_of(want), reason=reason) from error
    except Exception as error:
        # validators are the user's, and may raise anything
        reason = f"reading raised {type(error).__name__}: {error}. {_REMEDY}"
        raise CodecError(type_name=name_of(want), reason=reason) from error


def _reader(want: object) -> SchemaValidator:
    try:
        return _reader_of(_Annotation(want))
    except Exception as error:
        reason = f"{_UNREADABLE} ({str(error).splitlines()[0]})"
        raise CodecError(type_name=name_of(want), reason=reason) from error


class _Annotation:
    """An annotation as a key: `int | str` equals `str | int`, and reads otherwise."""

    __slots__ = ("_key", "want")

    def __init__(self, want: object) -> None:
        self.want = want
        self._key = (want if _is_hashable(want) else id(want), name_of(want))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Annotation) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


def _is_hashable(want: object) -> bool:
    try:
        hash(want)
    except TypeError:
        return False
    return True


@lru_cache(maxsize=1024)
def _reader_of(annotation: _Annotation) -> SchemaValidator:
    adapter = TypeAdapter[object](cast("type", readable(annotation.want)))
    if not adapter.pydantic_complete:
        adapter.rebuild()
    if has_bytes(adapter.core_schema):
        # what pydantic has built for a model reads its bytes as text
        schema = faithful(adapter.core_schema)
        return SchemaValidator(schema, CONFIG, _use_prebuilt=False)
    return cast("SchemaValidator", adapter.validator)
