"""Managers and the bare client libraries that they are compared with."""
# pyright: basic
# pyarrow and boto3 have no types

from __future__ import annotations

import io
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

import boto3
import numpy
import psycopg
import pyarrow as pa
from botocore.config import Config
from pyarrow import fs, parquet
from typing_extensions import override

from dev.benchmarks.servers import libpq_url
from flowstone.io import S3IO, IOManager, ParquetIO, PostgresIO, Slot, Stored

__all__ = [
    "Boto3",
    "Ours",
    "Psycopg",
    "Pyarrow",
    "PyarrowS3",
    "Store",
    "bytes_of",
    "table_of",
]

_IN_PARTS = 8 * 1024 * 1024


def bytes_of(size: int) -> bytes:
    """Give bytes that nothing can compress."""
    return os.urandom(size)


def table_of(size: int) -> object:
    """Give a table whose columns have so many bytes, as those of measurements do."""
    rows = max(size // 24, 1)
    dice = numpy.random.default_rng(1)
    return pa.table(
        {
            "id": numpy.arange(rows),
            "value": dice.random(rows),
            "sensor": dice.integers(0, 1_000, rows),
        }
    )


class Store(ABC):
    """Something that keeps a value and gives it back."""

    name: str

    @abstractmethod
    def store(self, value: object) -> object:
        """Keep a value in a new place; give what it is found by."""

    @abstractmethod
    def load(self, found: object) -> object:
        """Give it back."""

    @abstractmethod
    def delete(self, found: object) -> None:
        """Forget it."""


class Ours(Store):
    """A manager of Flowstone's."""

    name = "flowstone"

    def __init__(self, manager: IOManager, want: object) -> None:
        self._manager = manager
        self._want = want

    @staticmethod
    def on_postgres(url: str) -> Ours:
        """Keep bytes in Postgres."""
        return Ours(PostgresIO(url), bytes)

    @staticmethod
    def on_s3() -> Ours:
        """Keep bytes in S3."""
        return Ours(S3IO(prefix="ours"), bytes)

    @staticmethod
    def in_folder(folder: Path) -> Ours:
        """Keep tables in a folder."""
        return Ours(ParquetIO(folder / "ours"), pa.Table)

    @staticmethod
    def in_lake() -> Ours:
        """Keep tables in S3."""
        return Ours(ParquetIO("s3://flowstone/lake"), pa.Table)

    @override
    def store(self, value: object) -> Stored:
        version = str(uuid4())
        path = f"bench/value/{version}"
        at = Slot(asset="bench/value", key="-", version=version, path=path)
        return self._manager.store(value, at)

    @override
    def load(self, found: object) -> object:
        assert isinstance(found, Stored)
        return self._manager.load(found, self._want)

    @override
    def delete(self, found: object) -> None:
        assert isinstance(found, Stored)
        self._manager.delete(found)


class Psycopg(Store):
    """A row of a table, by psycopg alone."""

    name = "psycopg"

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(libpq_url(url), autocommit=True)
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS bare_values (id text PRIMARY KEY, data bytea)"
        )

    @override
    def store(self, value: object) -> str:
        name = str(uuid4())
        self._connection.execute(
            "INSERT INTO bare_values VALUES (%s, %b)", [name, value]
        )
        return name

    @override
    def load(self, found: object) -> object:
        find = "SELECT data FROM bare_values WHERE id = %s"
        with self._connection.cursor(binary=True) as cursor:
            (data,) = cursor.execute(find, [found]).fetchone() or (None,)
        return data

    @override
    def delete(self, found: object) -> None:
        self._connection.execute("DELETE FROM bare_values WHERE id = %s", [found])


class Boto3(Store):
    """An object, by boto3 alone: in one request, large ones by its own transfer."""

    name = "boto3"

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._bucket = environment["FLOWSTONE_S3_BUCKET"]
        self._client = boto3.client(
            "s3",
            endpoint_url=environment["FLOWSTONE_S3_ENDPOINT"],
            region_name=environment["FLOWSTONE_S3_REGION"],
            aws_access_key_id=environment["FLOWSTONE_S3_ACCESS_KEY"],
            aws_secret_access_key=environment["FLOWSTONE_S3_SECRET_KEY"],
            config=Config(signature_version="s3v4"),
        )
        self._large: set[str] = set()

    @override
    def store(self, value: object) -> str:
        assert isinstance(value, bytes)
        key = f"bare/{uuid4()}"
        if len(value) > _IN_PARTS:
            self._client.upload_fileobj(io.BytesIO(value), self._bucket, key)
            self._large.add(key)
        else:
            self._client.put_object(Bucket=self._bucket, Key=key, Body=value)
        return key

    @override
    def load(self, found: object) -> object:
        if found in self._large:
            data = io.BytesIO()
            self._client.download_fileobj(self._bucket, found, data)
            return data.getvalue()
        answer = self._client.get_object(Bucket=self._bucket, Key=found)
        return answer["Body"].read()

    @override
    def delete(self, found: object) -> None:
        self._client.delete_object(Bucket=self._bucket, Key=found)


class Pyarrow(Store):
    """A Parquet file, by pyarrow alone; on disk when it is said to be kept."""

    name = "pyarrow"

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "bare"
        self._folder.mkdir()

    @override
    def store(self, value: object) -> Path:
        path = self._folder / f"{uuid4()}.parquet"
        with path.open("wb") as file:
            parquet.write_table(value, file)
            file.flush()
            os.fsync(file.fileno())
        return path

    @override
    def load(self, found: object) -> object:
        return parquet.read_table(found)

    @override
    def delete(self, found: object) -> None:
        assert isinstance(found, Path)
        found.unlink()


class PyarrowS3(Store):
    """An object that is a Parquet file, by pyarrow alone."""

    name = "pyarrow"

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._bucket = environment["FLOWSTONE_S3_BUCKET"]
        self._files = fs.S3FileSystem(
            access_key=environment["FLOWSTONE_S3_ACCESS_KEY"],
            secret_key=environment["FLOWSTONE_S3_SECRET_KEY"],
            endpoint_override=environment["FLOWSTONE_S3_ENDPOINT"],
            region=environment["FLOWSTONE_S3_REGION"],
        )

    @override
    def store(self, value: object) -> str:
        path = f"{self._bucket}/bare/{uuid4()}.parquet"
        parquet.write_table(value, path, filesystem=self._files)
        return path

    @override
    def load(self, found: object) -> object:
        return parquet.read_table(found, filesystem=self._files)

    @override
    def delete(self, found: object) -> None:
        self._files.delete_file(str(found))
