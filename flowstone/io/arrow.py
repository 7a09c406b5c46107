"""Arrow tables as an IPC stream; pyarrow is imported only where there is one."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Protocol, cast

from flowstone.core.errors import CodecError
from flowstone.io.annotations import members
from flowstone.io.from_json import asks_nothing
from flowstone.io.remedies import name_of

__all__ = ["Tabular", "is_arrow", "read_arrow", "write_arrow"]

_NAMES = {"Table", "RecordBatch"}


class Tabular(Protocol):
    """What is needed of a `pyarrow.Table` or `RecordBatch`; pyarrow has no types."""

    @property
    def num_rows(self) -> int:
        """How many rows there are."""
        ...

    @property
    def schema(self) -> object:
        """The names and types of the columns."""
        ...


def is_arrow(value: object) -> bool:
    """Recognize a table or a batch by the name of its type."""
    return any(
        kind.__name__ in _NAMES and kind.__module__.startswith("pyarrow.")
        for kind in type(value).__mro__
    )


def write_arrow(value: Tabular) -> bytes:
    """Encode a table or a batch, its schema and metadata included."""
    pa = _pyarrow()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, value.schema) as stream:
        stream.write(value)
    return cast("bytes", sink.getvalue().to_pybytes())


def read_arrow(data: bytes, want: object) -> object:
    """Decode a table; to an annotation of `RecordBatch`, all of it as one batch."""
    pa = _pyarrow()
    kinds = members(want)
    try:
        table = pa.ipc.open_stream(data).read_all()
    except pa.ArrowException as error:
        reason = f"its bytes are no Arrow stream: {error}"
        raise CodecError(type_name="pyarrow.Table", reason=reason) from error
    if pa.Table in kinds or any(asks_nothing(kind) for kind in kinds):
        return cast("object", table)
    if pa.RecordBatch in kinds:
        batches = table.combine_chunks().to_batches()
        return batches[0] if batches else pa.RecordBatch.from_pylist([], table.schema)
    reason = (
        "it is kept as an Arrow table. Annotate with pyarrow.Table, and convert it."
    )
    raise CodecError(type_name=name_of(want), reason=reason)


def _pyarrow() -> Any:
    # late, as it takes a second and most values are no tables
    return import_module("pyarrow")
