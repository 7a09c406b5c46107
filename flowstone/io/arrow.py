"""Arrow tables as an IPC stream; pyarrow is imported only where there is one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import IO, Any, Protocol, cast

from flowstone.core.errors import CodecError
from flowstone.io.remedies import kind_of
from flowstone.io.wants import form_of

__all__ = [
    "Tabular",
    "arrow_errors",
    "is_arrow",
    "open_arrow",
    "pyarrow",
    "read_arrow",
    "together",
    "write_arrow",
    "write_arrow_batches",
]

_NO_STREAM = "its bytes are no Arrow stream: {}"


class Tabular(Protocol):
    """What is needed of a `pyarrow.Table` or `RecordBatch`; pyarrow has no types."""

    @property
    def num_rows(self) -> int:
        """How many rows there are."""
        ...

    @property
    def nbytes(self) -> int:
        """How much memory they take."""
        ...

    @property
    def schema(self) -> object:
        """The names and types of the columns."""
        ...


def is_arrow(value: object) -> bool:
    """Recognize a table or a batch by the name of its type."""
    return form_of(value) in {"table", "batch"}


def write_arrow(value: Tabular) -> bytes:
    """Encode a table or a batch, its schema and metadata included."""
    sink = pyarrow().BufferOutputStream()
    write_arrow_batches(value.schema, [value], sink)
    return cast("bytes", sink.getvalue().to_pybytes())


def write_arrow_batches(schema: Any, batches: Iterable[Any], sink: Any) -> int:
    """Write batches as they come; give how many rows they had.

    Raises:
        CodecError: a batch has another schema than the first.
    """
    rows = 0
    with pyarrow().ipc.new_stream(sink, schema) as stream:
        for batch in batches:
            _check_schema(batch, schema)
            stream.write(batch)
            rows += batch.num_rows
    return rows


def read_arrow(data: object) -> object:
    """Decode a table."""
    try:
        return pyarrow().ipc.open_stream(data).read_all()
    except arrow_errors() as error:
        reason = _NO_STREAM.format(error)
        raise CodecError(type_name="pyarrow.Table", reason=reason) from error


def open_arrow(file: IO[bytes]) -> tuple[object, Iterator[object]]:
    """Give the schema of a file and its batches, one by one, while it is open."""
    try:
        reader = pyarrow().ipc.open_stream(file)
    except arrow_errors() as error:
        reason = _NO_STREAM.format(error)
        raise CodecError(type_name="pyarrow.Table", reason=reason) from error
    return reader.schema, iter(reader)


def together(schema: Any, parts: Iterable[Any]) -> Any:
    """Give tables and batches of one schema as one table.

    Raises:
        CodecError: one of them has another schema.
    """
    pa = pyarrow()
    tables: list[Any] = []
    for part in parts:
        _check_schema(part, schema)
        is_table = isinstance(part, pa.Table)
        tables.append(part if is_table else pa.Table.from_batches([part]))
    return pa.concat_tables(tables) if tables else schema.empty_table()


def _check_schema(part: Any, schema: Any) -> None:
    if part.schema != schema:
        reason = f"its columns are {part.schema}, and those of the first {schema}."
        raise CodecError(type_name=kind_of(part), reason=reason)


def pyarrow() -> Any:
    """Import pyarrow: late, as it takes a second and most values are no tables."""
    return import_module("pyarrow")


def arrow_errors() -> tuple[type[Exception], ...]:
    """Give what pyarrow raises about what it is given."""
    return (pyarrow().ArrowException, ValueError, TypeError, OverflowError)
