"""Tables as Parquet files, whole or as they come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import IO, Any

from flowstone.core.errors import CodecError
from flowstone.io.arrow import arrow_errors, together

__all__ = ["open_parquet", "read_parquet", "write_parquet"]

_GROUP_ROWS = 1024 * 1024
_GROUP_BYTES = 32 * 1024 * 1024
"""How much of a stream is in one row group: that much is in memory at once."""

_BATCH_ROWS = 64 * 1024
_REMEDY = "Give its columns types that Parquet has, or keep it by S3IO, as Arrow."


def write_parquet(schema: Any, batches: Iterable[Any], sink: Any, **how: object) -> int:
    """Write tables or batches as they come; give how many rows they had.

    Raises:
        CodecError: Parquet has no form for them, or they differ in their schemas.
    """
    rows = 0
    try:
        with _pq().ParquetWriter(sink, schema, **how) as writer:
            for table in _grouped(schema, batches):
                writer.write_table(table, row_group_size=_GROUP_ROWS)
                rows += table.num_rows
                del table  # before the next one is gathered
    except arrow_errors() as error:
        reason = f"{error}. {_REMEDY}"
        raise CodecError(type_name="pyarrow.Table", reason=reason) from error
    return rows


def read_parquet(data: object) -> object:
    """Decode a table."""
    try:
        return _pq().ParquetFile(data).read()
    except arrow_errors() as error:
        raise _unreadable(error) from error


def open_parquet(file: IO[bytes]) -> tuple[object, Iterator[object]]:
    """Give the schema of a file and its batches, one by one, while it is open."""
    try:
        reader = _pq().ParquetFile(file)
    except arrow_errors() as error:
        raise _unreadable(error) from error
    return reader.schema_arrow, _batches(reader)


def _batches(reader: Any) -> Iterator[object]:
    for group in range(reader.num_row_groups):
        # one by one: it would read ahead as much as it likes
        yield from reader.iter_batches(_BATCH_ROWS, row_groups=[group])


def _grouped(schema: Any, batches: Iterable[Any]) -> Iterator[Any]:
    """Gather small batches until they are worth a row group of their own."""
    some: list[Any] = []
    size = 0
    for batch in batches:
        some.append(batch)
        size += batch.nbytes
        if size >= _GROUP_BYTES:
            yield together(schema, some)
            some, size = [], 0
    if some:
        yield together(schema, some)


def _unreadable(error: Exception) -> CodecError:
    return CodecError(
        type_name="pyarrow.Table", reason=f"its bytes are no Parquet file: {error}"
    )


def _pq() -> Any:
    return import_module("pyarrow.parquet")
