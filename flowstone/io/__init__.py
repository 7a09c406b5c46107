"""Values: what keeps them, and how they are encoded.

Importing this costs nothing: a manager's libraries come with its first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowstone.io.base import (
        Checks,
        Configured,
        InProcess,
        IOManager,
        ListsLocations,
        Scalar,
        Slot,
        Stored,
        StoresMany,
        TakesEncoded,
        lives_in_process,
    )
    from flowstone.io.codecs import Encoded, Encodes, decode, encode, restore
    from flowstone.io.memory import MemoryIO
    from flowstone.io.parquet import ParquetIO
    from flowstone.io.postgres import PostgresIO
    from flowstone.io.s3 import S3IO
    from flowstone.io.sqlite import SqliteIO
    from flowstone.io.streams import SourceFailed, release

__all__ = [
    "S3IO",
    "Checks",
    "Configured",
    "Encoded",
    "Encodes",
    "IOManager",
    "InProcess",
    "ListsLocations",
    "MemoryIO",
    "ParquetIO",
    "PostgresIO",
    "Scalar",
    "Slot",
    "SourceFailed",
    "SqliteIO",
    "Stored",
    "StoresMany",
    "TakesEncoded",
    "decode",
    "encode",
    "lives_in_process",
    "release",
    "restore",
]

_HOMES = {
    "S3IO": "s3",
    "Checks": "base",
    "Configured": "base",
    "Encoded": "codecs",
    "Encodes": "codecs",
    "IOManager": "base",
    "InProcess": "base",
    "ListsLocations": "base",
    "MemoryIO": "memory",
    "ParquetIO": "parquet",
    "PostgresIO": "postgres",
    "Scalar": "base",
    "Slot": "base",
    "SourceFailed": "streams",
    "SqliteIO": "sqlite",
    "Stored": "base",
    "StoresMany": "base",
    "TakesEncoded": "base",
    "decode": "codecs",
    "encode": "codecs",
    "lives_in_process": "base",
    "release": "streams",
    "restore": "codecs",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(name)
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
