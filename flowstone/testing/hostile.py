"""Paths and partitions that would like to be somewhere else, or somebody else."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from flowstone.core.partition import PartitionKey
from flowstone.core.ref import Key

__all__ = ["HOSTILE_PATHS", "LONGEST", "hostile"]

LONGEST = 5_000
"""Characters of the longest ones."""

HOSTILE_PATHS = (
    "a/../../etc/passwd",
    "..",
    ".",
    "/",
    "//a//b",
    "a\\b",
    "'; DROP TABLE flowstone_values; --",
    'a"b',
    "%s %b %(x)s %%",
    "%2F",
    "line\nfeed\ttab\rreturn\x00nul\x7f",
    "\N{GRINNING FACE}/naïve/é",
    "é",
    "\ud800",
    "x" * 5_000,
    "x" * 4_999 + "y",
    " ",
    "a:b?c#d&e=f*g|h<i>",
)
"""Paths for slots."""

_ATOMS = [
    *("..", ".", "/", "\\", "//", "~", "%", "%2F", "%2f", "%00", "%25", "-", "_", "'"),
    *("(", ")", "{", "}", ",", "=", ":", ";", "|", "&", "?", "#", "*", "$", "`", '"'),
    *("\x00", "\n", "\r", "\t", "\x1b", "\x7f", "\x85", "\u2028", "\ufeff", "\u200b"),
    *(" ", "  ", "\xa0", "a", "A", "\u0430", "e\u0301", "\u00e9", "K", "\u212a"),
    *("\N{GRINNING FACE}", "\U0001f469\u200d\U0001f4bb", "\u202e", "\ud800", "\udfff"),
    *("CON", "nul", "aux.txt", "~root", "$HOME", "';--", "%s", "{0}", "None", "null"),
    *("uploadId=", "?uploadId=1", ".tmp", "date=2025-01-15", "region=eu", "_delta_log"),
    *("2025-01-15", "2025-01-15T00:00:00Z", "7", "-7", "07", "1e3", "true", "\u0661"),
]


def hostile(count: int, *, seed: int = 1) -> list[Key]:
    """Give distinct partitions, the longest included, the same ones each time."""
    found: dict[str, Key] = {}
    for key in _endless(random.Random(seed)):
        found.setdefault(PartitionKey.of(key).text, key)
        if len(found) == count:
            return list(found.values())
    raise AssertionError


def _endless(dice: random.Random) -> Iterator[Key]:
    yield from _ATOMS
    yield from ("x" * LONGEST, "x" * (LONGEST - 1) + "y", "\N{GRINNING FACE}" * LONGEST)
    yield from ("%" * LONGEST, "/" * LONGEST, "../" * (LONGEST // 3), "é" * LONGEST)
    yield {"name" * 300: "value" * 300}
    yield {f"d{n}": f"../{n}" for n in range(200)}
    yield tuple(range(1_000))
    while True:
        yield _one(dice, depth=0)


def _one(dice: random.Random, *, depth: int) -> Key:
    kind = dice.randrange(12 if depth < 2 else 8)
    match kind:
        case 8 | 9:
            size = dice.randint(1, 4)
            return tuple(_one(dice, depth=depth + 1) for _ in range(size))
        case 10 | 11:
            size = dice.randint(1, 4)
            names = [_text(dice, 2) or "n" for _ in range(size)]
            return {name: _one(dice, depth=depth + 1) for name in names}
        case 0:
            return dice.randint(-(10**20), 10**20)
        case 1:
            return date(2025, 1, 1) + timedelta(days=dice.randrange(10_000))
        case 2:
            moment = datetime(2025, 1, 1, tzinfo=UTC)
            return moment + timedelta(microseconds=dice.randrange(10**12))
        case _:
            return _text(dice, 6)


def _text(dice: random.Random, most: int) -> str:
    return "".join(dice.choices(_ATOMS, k=dice.randint(1, most)))
