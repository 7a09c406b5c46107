"""The states of cells, and how a table of them is written down."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable
from enum import IntEnum

__all__ = ["State", "cut_short", "read_table", "write_table"]


class State(IntEnum):
    """What a cell is doing, or how it ended; those from `MADE` on are final.

    The numbers are part of histories.
    """

    PENDING = 0
    READY = 1
    RUNNING = 2
    SLEEPING = 3
    BUSY = 4
    WAITING = 5
    MADE = 6
    REUSED = 7
    BYPASSED = 8
    FAILED = 9
    BLOCKED = 10
    CANCELLED = 11
    OUT = 12


def write_table(table: Iterable[int]) -> str:
    """Give a table of states as short text."""
    return base64.b85encode(zlib.compress(bytes(table), 9)).decode()


def read_table(text: str) -> bytearray:
    """Give back the table that `write_table` wrote."""
    return bytearray(zlib.decompress(base64.b85decode(text)))


def cut_short(table: bytes | bytearray) -> bytes:
    """Give a table in which what had not ended is cancelled."""
    return bytes(table.translate(_CUT))


_CUT = bytes(State.CANCELLED if s < State.MADE else s for s in range(256))
