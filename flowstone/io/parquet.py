"""Tables as Parquet files, in a bucket or in a folder."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

from flowstone.core.errors import ConfigurationError
from flowstone.io.base import Scalar, Slot, Stored
from flowstone.io.bucket import Bucket, S3Access
from flowstone.io.codecs import Encoded, encoded
from flowstone.io.folder import Folder
from flowstone.io.objects import ObjectIO
from flowstone.io.parquet_file import write_parquet
from flowstone.io.rows import table_of_rows
from flowstone.io.streams import Batches, Stream
from flowstone.io.tables import table_of_frame
from flowstone.io.wants import form_of

__all__ = ["ParquetIO"]

_SCHEME = "s3://"
_IN_MEMORY = 32 * 1024 * 1024
"""Bytes of a table above which it is written as it is encoded."""


class ParquetIO(ObjectIO):
    """Keeps tables as Parquet, and what is no table as `S3IO` does.

    Tables are those of Arrow, data frames of pandas and polars, iterators of record
    batches, and lists of rows: mappings, dataclasses or pydantic models, where Parquet
    gives them back as they were. Named dimensions of a key are folders such as
    `date=2025-01-15/region=eu`, which other tools read as columns.

    Example:
        ```python
        ParquetIO("s3://shop/lake")
        ParquetIO("/srv/lake", shared=True)
        ```

    Args:
        where: `s3://bucket/prefix`, or a folder, which is made when it is missing.
        shared: whether a folder is one that all workers see, such as a network's.
        compression: of the files: `snappy`, `zstd`, `gzip`, `lz4`, `brotli`, `none`.
        endpoint: of S3; this and what follows are as those of `S3IO`.
        region: of S3.
        access_key: of S3.
        secret_key: of S3.

    Raises:
        ConfigurationError: it names neither a bucket nor a folder.
    """

    def __init__(
        self,
        where: str | os.PathLike[str],
        *,
        shared: bool = False,
        compression: str = "snappy",
        endpoint: str | None = None,
        region: str | None = None,
        access_key: str | None = None,
        secret_key: str | None = None,
    ) -> None:
        access = S3Access(
            endpoint=endpoint,
            region=region,
            access_key=access_key,
            secret_key=secret_key,
        )
        self._place = _place(os.fspath(where), access)
        self._shared = shared
        self._how = {"compression": compression}
        super().__init__(self._place)

    def __repr__(self) -> str:
        if isinstance(self._place, Folder):
            return f"ParquetIO({str(self._place.root)!r})"
        return f"ParquetIO({self._place!r})"

    @property
    def in_process(self) -> bool:
        """Whether other workers are out of reach of the values."""
        return isinstance(self._place, Folder) and not self._shared

    def encode(self, value: object) -> Encoded | Stream:
        """Encode a value, tables as Parquet; a large one is given as a stream."""
        if isinstance(value, Encoded):
            return value
        form = form_of(value)
        table = table_of_rows(value) if form is None else table_of_frame(value)
        if table is None:
            return super().encode(value)
        form = form or "rows"
        if table.nbytes > _IN_MEMORY:
            return Batches(schema=table.schema, batches=iter([table]), form=form)
        sink = io.BytesIO()
        rows = write_parquet(table.schema, [table], sink, **self._how)
        return encoded("parquet", sink.getvalue(), rows=rows, form=form)

    def _pour_batches(self, stream: Batches, at: Slot) -> Stored:
        def write(sink: Any) -> dict[str, Scalar]:
            rows = write_parquet(stream.schema, stream.batches, sink, **self._how)
            return {"rows": rows, "form": stream.form}

        return self._pour(stream, at, "parquet", write)


def _place(where: str, access: S3Access) -> Bucket | Folder:
    if where.startswith(_SCHEME):
        bucket, _, prefix = where.removeprefix(_SCHEME).partition("/")
        return Bucket(bucket, prefix=prefix, access=access)
    if not where or "://" in where:
        problem = "ParquetIO keeps values in 's3://bucket/prefix' or in a folder, "
        raise ConfigurationError(problems=[f"{problem}not in {where!r}."])
    return Folder(Path(where))
