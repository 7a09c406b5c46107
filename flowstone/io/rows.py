"""Lists of rows as tables: of mappings, of dataclasses, of pydantic models.

Only rows that come back from a table as they were become one; of others nothing is
said here, and JSON keeps them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from itertools import chain
from pathlib import PurePath
from typing import Any, cast
from uuid import UUID

from flowstone.core.errors import CodecError
from flowstone.io.arrow import arrow_errors, pyarrow
from flowstone.io.faithful import fields_of, is_model, written
from flowstone.io.from_json import as_read

__all__ = ["table_of_rows"]

Row = dict[str, object]

_SCALARS = {
    *(bool, int, float, str, bytes),
    *(date, datetime, time, timedelta, Decimal),
}
"""Kinds that Arrow gives back as they are."""

_NOTHING = type(None)
_ORDERED = {list, tuple}
_BOXES = {*_ORDERED, set, frozenset}


class _NoTable(Exception):
    """Something that a table would not give back."""


def table_of_rows(value: object) -> Any:
    """Give a list of rows as a `pyarrow.Table`; `None` where it is not to be one."""
    if type(value) is not list or not value:
        return None
    items = cast("list[object]", value)
    try:
        rows = _as_mappings(items)
        _check_regular(rows)
        table = pyarrow().Table.from_pylist(rows)
        _check_same(table, rows, items)
    except (_NoTable, *arrow_errors()):
        return None
    return table


# --- rows as mappings of plain values -----------------------------------------------


def _as_mappings(items: Sequence[object]) -> list[Row]:
    kind, *others = set(map(type, items))
    if others:
        raise _NoTable
    if kind is dict and _are_plain(cast("Sequence[Row]", items)):
        return cast("list[Row]", list(items))
    if kind is dict or is_model(kind) or is_dataclass(kind):
        return [cast("Row", _plain(item)) for item in items]
    raise _NoTable


def _are_plain(rows: Sequence[Row]) -> bool:
    # most are, and this loop is not Python's
    cells = chain.from_iterable(row.values() for row in rows)
    return set(map(type, cells)) <= {*_SCALARS, _NOTHING}


def _plain(value: object) -> object:
    """Turn what Arrow has no type for into what its reader's annotation takes."""
    if type(value) in _SCALARS or value is None:
        return value
    if isinstance(value, Enum):
        return _plain(cast("object", value.value))
    if isinstance(value, UUID | PurePath):
        return str(value)
    return _plain_box(value, type(value))


def _plain_box(box: object, kind: type) -> object:
    if kind is dict:
        table = cast("Mapping[object, object]", box)
        return {key: _plain(item) for key, item in table.items()}
    if kind in _BOXES:
        items = [_plain(item) for item in cast("Iterable[object]", box)]
        return items if kind in _ORDERED else sorted(items, key=_by_text)
    if is_model(kind):
        return _plain(written(box))
    if is_dataclass(kind):
        return {name: _plain(item) for name, item in fields_of(box)}
    raise _NoTable


def _by_text(item: object) -> tuple[str, str]:
    # sets are in the order of this process's hashes
    return type(item).__name__, repr(item)


# --- whether a table gives them back ------------------------------------------------


def _check_regular(values: Sequence[object]) -> None:
    """Go through values column by column: each is to hold one kind of things."""
    kinds = set(map(type, values)) - {_NOTHING}
    if not kinds:
        return
    kind, *others = kinds
    if others:
        raise _NoTable
    present = [value for value in values if value is not None]
    if kind is dict:
        for column in _columns(cast("list[Row]", present)):
            _check_regular(column)
    elif kind is list:
        lists = cast("list[list[object]]", present)
        _check_regular(list(chain.from_iterable(lists)))
    elif kind is datetime:
        moments = cast("list[datetime]", present)
        if len({str(moment.tzinfo) for moment in moments}) > 1:
            raise _NoTable


def _columns(rows: Sequence[Row]) -> Iterator[list[object]]:
    shapes = set(map(tuple, rows))
    names, *others = shapes
    if others or not names or set(map(type, names)) != {str}:
        raise _NoTable
    for name in names:
        yield [row[name] for row in rows]


def _check_same(table: Any, rows: Sequence[Row], items: Sequence[object]) -> None:
    back = table.to_pylist()
    if back != rows and not _same(back, rows):
        raise _NoTable
    kind = type(items[0])
    if kind is not dict and not _reads_back(rows, items, kind):
        raise _NoTable


def _reads_back(rows: Sequence[Row], items: Sequence[object], kind: type) -> bool:
    try:
        read = as_read(rows, list[kind])
    except CodecError:
        return False
    return read == items or _same(read, items)


def _same(one: object, other: object) -> bool:
    """Compare as `==` does, but that NaN is NaN."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return one == other or (one != one and other != other)
    parts, others = _parts(one), _parts(other)
    if parts is None or others is None:
        return one == other
    return len(parts) == len(others) and all(map(_same, parts, others))


def _parts(value: object) -> list[object] | None:
    if isinstance(value, list | tuple):
        return list(cast("Iterable[object]", value))
    if isinstance(value, dict):
        return list(cast("Row", value).values())
    if is_model(type(value)) or is_dataclass(value):
        return [part for _, part in fields_of(value)]
    return None
