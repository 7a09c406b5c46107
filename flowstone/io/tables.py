"""Tables, handed out in the form that their reader is annotated to take."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any, cast

from flowstone.core.errors import CodecError
from flowstone.io.arrow import pyarrow
from flowstone.io.from_json import as_read, asks_nothing, read_json
from flowstone.io.remedies import name_of
from flowstone.io.wants import TABULAR, Form, form_of, wanted

__all__ = ["give_batches", "give_json", "give_table", "table_of_frame"]

_KEPT = "it is kept as an Arrow table"
_ROWS = list[dict[str, object]]
_NO_ROWS = (
    "it is kept as JSON, of which only a list of rows can be read as a table. Change "
    "the annotation, or materialize the value again."
)
_REMEDY = "Annotate with pyarrow.Table, and convert it."


def give_table(table: Any, want: object, *, kept: Form = "table") -> object:
    """Hand out a table.

    Args:
        table: a `pyarrow.Table`.
        want: the reader's annotation.
        kept: what was stored, for a reader that asks for nothing.

    Raises:
        CodecError: the annotation is none that a table can be read as.
    """
    form = kept if asks_nothing(want) else wanted(want)
    if form == "rows":
        return _rows(table, want)
    give = None if form is None else _GIVERS.get(form)
    if give is None:
        raise CodecError(type_name=name_of(want), reason=f"{_KEPT}. {_REMEDY}")
    try:
        return give(table)
    except ImportError as error:
        reason = f"{error.name} is not installed. Install 'flowstone[{error.name}]'."
        raise CodecError(type_name=name_of(want), reason=reason) from error


def give_batches(
    schema: object, batches: Iterator[object], want: object
) -> Iterator[object]:
    """Hand out batches that are read as they are asked for."""
    if wanted(want) == "reader":
        return pyarrow().RecordBatchReader.from_batches(schema, batches)
    return batches


def give_json(data: bytes, want: object) -> object:
    """Hand out JSON; rows as a table where that is asked for."""
    if wanted(want) not in TABULAR:
        return read_json(data, want)
    try:
        rows = cast("list[dict[str, object]]", read_json(data, _ROWS))
    except CodecError as error:
        raise CodecError(type_name=name_of(want), reason=_NO_ROWS) from error
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: [row.get(name) for row in rows] for name in names}
    return give_table(pyarrow().table(columns), want)


def table_of_frame(frame: Any) -> Any:
    """Give a data frame, a batch or a table as a table; `None` where it is no such."""
    match form_of(frame):
        case "table":
            return frame
        case "batch":
            return pyarrow().Table.from_batches([frame])
        case "pandas":
            return pyarrow().Table.from_pandas(frame)
        case "polars":
            return frame.to_arrow()
        case _:
            return None


def _rows(table: Any, want: object) -> object:
    rows: object = table.to_pylist()
    if asks_nothing(want):
        return rows
    try:
        return as_read(rows, want)
    except CodecError as error:
        raise CodecError(
            type_name=error.type_name, reason=f"{_KEPT}, and {error.reason}"
        ) from error


def _batch(table: Any) -> object:
    pa = pyarrow()
    batches = table.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], table.schema)


def _polars(table: Any) -> object:
    polars: Any = import_module("polars")
    return polars.from_arrow(table)


def _pandas(table: Any) -> object:
    import_module("pandas")  # so that what is missing is named
    return table.to_pandas()


_GIVERS: Mapping[Form, Callable[[Any], object]] = {
    "table": lambda table: table,
    "batch": _batch,
    "reader": lambda table: table.to_reader(),
    "batches": lambda table: iter(table.to_batches()),
    "pandas": _pandas,
    "polars": _polars,
}
