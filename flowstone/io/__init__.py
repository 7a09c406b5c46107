"""Values: what keeps them, and how they are encoded.

Importing this costs nothing: a manager's libraries come with its first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowstone.io.base import (
        InProcess,
        IOManager,
        Scalar,
        Slot,
        Stored,
        StoresMany,
        TakesEncoded,
        lives_in_process,
    )
    from flowstone.io.codecs import Encoded, decode, encode, restore
    from flowstone.io.memory import MemoryIO
    from flowstone.io.postgres import PostgresIO
    from flowstone.io.sqlite import SqliteIO

__all__ = [
    "Encoded",
    "IOManager",
    "InProcess",
    "MemoryIO",
    "PostgresIO",
    "Scalar",
    "Slot",
    "SqliteIO",
    "Stored",
    "StoresMany",
    "TakesEncoded",
    "decode",
    "encode",
    "lives_in_process",
    "restore",
]

_HOMES = {
    "Encoded": "codecs",
    "IOManager": "base",
    "InProcess": "base",
    "MemoryIO": "memory",
    "PostgresIO": "postgres",
    "Scalar": "base",
    "Slot": "base",
    "SqliteIO": "sqlite",
    "Stored": "base",
    "StoresMany": "base",
    "TakesEncoded": "base",
    "decode": "codecs",
    "encode": "codecs",
    "lives_in_process": "base",
    "restore": "codecs",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(name)
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
