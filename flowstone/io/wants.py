"""What an annotation asks for beyond plain values: files, streams, tables, rows."""

from __future__ import annotations

import io
import typing
from collections import abc
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path, PosixPath
from typing import IO, BinaryIO, Literal, TypeAlias

from flowstone.io.annotations import members

__all__ = ["STREAMED", "TABULAR", "Form", "form_of", "wanted"]

Form: TypeAlias = Literal[
    "path", "file", "table", "batch", "reader", "batches", "pandas", "polars", "rows"
]
"""A form in which a value is handed out, told by an annotation."""

STREAMED: frozenset[Form] = frozenset({"path", "file", "reader", "batches"})
"""What need not be in memory as a whole."""

TABULAR: frozenset[Form] = frozenset(
    {"table", "batch", "reader", "batches", "pandas", "polars"}
)
"""What only a table can be handed out as."""

_FILES = (
    BinaryIO,
    IO,
    io.IOBase,
    io.RawIOBase,
    io.BufferedIOBase,
    io.BufferedReader,
)
_ITERATORS = (abc.Iterator, abc.Iterable, abc.Generator)
_ROWS = (list, tuple, set, frozenset, abc.Sequence, abc.Collection, abc.Iterable)
_NAMED: Mapping[tuple[str, str], Form] = {
    ("pyarrow", "Table"): "table",
    ("pyarrow", "RecordBatch"): "batch",
    ("pyarrow", "RecordBatchReader"): "reader",
    ("pandas", "DataFrame"): "pandas",
    ("polars", "DataFrame"): "polars",
}


def wanted(want: object) -> Form | None:
    """Give the first form that an annotation allows; `None` where it is plain."""
    for member in members(want):
        form = _wanted(member)
        if form is not None:
            return form
    return None


def form_of(value: object) -> Form | None:
    """Recognize a table or a frame by the name of its type, and import nothing."""
    return _form_of(type(value))


@lru_cache(maxsize=1024)
def _form_of(kind: type) -> Form | None:
    return next((form for form in map(_named, kind.__mro__) if form is not None), None)


def _wanted(want: object) -> Form | None:
    if any(want is kind for kind in (Path, PosixPath)):
        return "path"
    origin = typing.get_origin(want)
    if any(want is kind or origin is kind for kind in _FILES):
        return "file"
    if isinstance(want, type) and origin is None:
        return _named(want) or ("rows" if _is_one_of(want, _ROWS) else None)
    if _is_one_of(origin, _ITERATORS) and _yields_batches(want):
        return "batches"
    return "rows" if _is_one_of(origin, _ROWS) else None


def _yields_batches(want: object) -> bool:
    item, *_ = (*typing.get_args(want), None)
    return isinstance(item, type) and _named(item) == "batch"


def _named(kind: type) -> Form | None:
    library = kind.__module__.partition(".")[0]
    return _NAMED.get((library, kind.__name__))


def _is_one_of(kind: object, kinds: tuple[object, ...]) -> bool:
    return any(kind is one for one in kinds)
