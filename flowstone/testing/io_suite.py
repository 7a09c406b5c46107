"""What every IO manager must do, as functions over a manager; `CHECKS` has them all."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from importlib import import_module
from typing import Any, Literal, TypedDict
from uuid import UUID, uuid4

import pytest
from pydantic import BaseModel

from flowstone.core.errors import CodecError, StoreError, ValueNotFound
from flowstone.io import (
    Encodes,
    IOManager,
    Slot,
    Stored,
    StoresMany,
    TakesEncoded,
    encode,
)
from flowstone.testing.hostile import HOSTILE_PATHS

pa: Any = import_module("pyarrow")  # it has no types

__all__ = [
    "CHECKS",
    "Colour",
    "Point",
    "Row",
    "Trade",
    "check_arrow",
    "check_corruption",
    "check_delete",
    "check_digest",
    "check_facts",
    "check_failed_store",
    "check_hostile_paths",
    "check_misfit",
    "check_mutation",
    "check_nan",
    "check_round_trip",
    "check_same_slot",
    "check_store_many",
    "check_store_many_fails",
    "check_store_many_same_slot",
    "check_takes_encoded",
    "check_threads",
    "check_unknown_location",
    "check_versions",
    "new_slot",
    "round_trip",
    "through_json",
]


class Colour(Enum):
    """A choice."""

    RED = "red"


class Trade(BaseModel):
    """A model, with another inside."""

    price: float
    seen: datetime
    raw: bytes = b""
    parts: list[Trade] = []


@dataclass(frozen=True)
class Point:
    """A dataclass."""

    x: int
    tags: frozenset[str] = frozenset()


class Row(TypedDict):
    """A typed dict."""

    name: str
    count: int


TYPED: Sequence[tuple[object, object]] = (
    (None, None),
    (None, type(None)),
    (0, int),
    (-(10**40), int),
    (True, bool),
    (0.1, float),
    (float("inf"), float),
    ("", str),
    ("naïve ☃ \x00 \N{GRINNING FACE}", str),
    (b"", bytes),
    (b"\x00\xff", bytes),
    (bytearray(b"\x01"), bytearray),
    ([3, 1, 2], list[int]),
    ([], object),
    ({"a": {"b": [None, True]}}, dict[str, object]),
    ({1: "one"}, dict[int, str]),
    ({date(2025, 1, 15): 2.5}, dict[date, float]),
    ((1, "a"), tuple[int, str]),
    ({1, 2}, set[int]),
    (date(2025, 1, 15), date),
    (datetime(2025, 1, 15, 12, 30, 1, 5, tzinfo=UTC), datetime),
    (timedelta(days=1, microseconds=7), timedelta),
    (Decimal("1.10"), Decimal),
    (UUID(int=7), UUID),
    (Colour.RED, Colour),
    ("a", Literal["a", "b"]),
    (None, int | None),
    (5, int | None),
    (Point(1, frozenset({"b", "a"})), Point),
    ([Point(1), Point(2)], list[Point]),
    ({"name": "a", "count": 1}, Row),
    (
        Trade(
            price=float("-inf"),
            seen=datetime(2025, 1, 15, tzinfo=UTC),
            raw=b"\xff",
            parts=[Trade(price=1, seen=datetime(2025, 1, 16, tzinfo=UTC))],
        ),
        Trade,
    ),
)


def new_slot(path: str = "", *, version: str = "") -> Slot:
    """Give a slot of a version that nobody else has."""
    version = version or str(uuid4())
    return Slot(
        asset="shop/report",
        key="2025-01-15",
        version=version,
        path=path or f"shop/report/2025-01-15/{version}",
    )


def round_trip(manager: IOManager, value: object, want: object) -> object:
    """Store a value, send what was answered through JSON, and load it."""
    stored = manager.store(value, new_slot())
    return manager.load(through_json(stored), want)


def through_json(stored: Stored) -> Stored:
    """Give what is left after a journey through JSON, which must be all of it."""
    again = Stored(**json.loads(json.dumps(asdict(stored))))
    assert again == stored
    return again


def check_round_trip(manager: IOManager) -> None:
    """IO-01: what was stored is loaded, as it is annotated."""
    for value, want in TYPED:
        loaded = round_trip(manager, value, want)
        assert loaded == value, want
        assert type(loaded) is type(value), want


def check_nan(manager: IOManager) -> None:
    """NaN is loaded as NaN, in a model too."""
    assert str(round_trip(manager, float("nan"), float)) == "nan"
    trade = Trade(price=float("nan"), seen=datetime(2025, 1, 15, tzinfo=UTC))
    loaded = round_trip(manager, trade, Trade)
    assert isinstance(loaded, Trade)
    assert str(loaded.price) == "nan"


def check_arrow(manager: IOManager) -> None:
    """A table and a batch are loaded with their schema, also when they are empty."""
    rows = [{"a": 1, "b": "x"}, {"a": None, "b": "y"}]
    table, batch = pa.Table.from_pylist(rows), pa.RecordBatch.from_pylist(rows)
    for start in range(3):
        some = table.slice(start)
        assert some.equals(round_trip(manager, some, pa.Table))
        assert some.equals(round_trip(manager, some, None))
        few = batch.slice(start)
        assert few.equals(round_trip(manager, few, pa.RecordBatch))


def check_facts(manager: IOManager) -> None:
    """IO-09: what is stored has a size, a digest, a codec and its rows."""
    stored = manager.store([1, 2], new_slot())
    assert stored.bytes > 0
    assert stored.digest.startswith("sha256:")
    assert stored.facts["codec"] == "json"
    assert stored.facts["rows"] == 2


def check_delete(manager: IOManager) -> None:
    """IO-02: a deleted value is not found, and deleting it again is fine."""
    kept = manager.store("kept", new_slot())
    gone = manager.store("gone", new_slot())
    manager.delete(gone)
    manager.delete(gone)
    with pytest.raises(ValueNotFound, match="no value of"):
        manager.load(gone, str)
    assert manager.load(kept, str) == "kept"


def check_unknown_location(manager: IOManager) -> None:
    """A location that nothing was ever stored at is not found, and can be deleted."""
    stored = manager.store(1, new_slot())
    elsewhere = replace(stored, location=stored.location + "/elsewhere")
    with pytest.raises(ValueNotFound):
        manager.load(elsewhere, int)
    manager.delete(elsewhere)


def check_versions(manager: IOManager) -> None:
    """IO-16: two versions of one asset and key live side by side."""
    first = manager.store({"v": 1}, new_slot())
    second = manager.store({"v": 2}, new_slot())
    assert manager.load(first, dict[str, int]) == {"v": 1}
    assert manager.load(second, dict[str, int]) == {"v": 2}
    manager.delete(first)
    assert manager.load(second, dict[str, int]) == {"v": 2}


def check_same_slot(manager: IOManager) -> None:
    """A version never changes: storing it again is fine, another value is refused."""
    slot = new_slot()
    first = manager.store("early", slot)
    assert manager.store("early", slot) == first
    with pytest.raises(StoreError, match="a version never changes"):
        manager.store("late", slot)
    assert manager.load(first, str) == "early"


def check_failed_store(manager: IOManager) -> None:
    """A store that fails leaves nothing, nor does it disturb what was there."""
    slot = new_slot()
    before = manager.store("before", slot)
    with pytest.raises(CodecError):
        manager.store({"a": [object()]}, slot)
    assert manager.load(before, str) == "before"


def check_hostile_paths(manager: IOManager) -> None:
    """IO-08: no character or length of a path meets another's value, or does harm."""
    kept = [
        manager.store(path.encode(errors="replace"), new_slot(path))
        for path in HOSTILE_PATHS
    ]
    assert len({stored.location for stored in kept}) == len(HOSTILE_PATHS)
    for stored, path in zip(kept, HOSTILE_PATHS, strict=True):
        assert manager.load(through_json(stored), bytes) == path.encode(
            errors="replace"
        )
        manager.delete(stored)
        with pytest.raises(ValueNotFound):
            manager.load(stored, bytes)


def check_store_many(manager: IOManager) -> None:
    """Storing many together equals storing each, in order."""
    if not isinstance(manager, StoresMany):
        return
    pairs = [(value, new_slot()) for value, _ in TYPED]
    together = manager.store_many(pairs)
    assert list(together) == [manager.store(value, slot) for value, slot in pairs]
    for stored, (value, want) in zip(together, TYPED, strict=True):
        assert manager.load(stored, want) == value
    assert list(manager.store_many([])) == []


def check_store_many_fails(manager: IOManager) -> None:
    """Where one of many cannot be stored, none is."""
    if not isinstance(manager, StoresMany):
        return
    slot = new_slot()
    before = manager.store("before", slot)
    with pytest.raises(CodecError):
        manager.store_many([("after", slot), (object(), new_slot())])
    assert manager.load(before, str) == "before"


def check_store_many_same_slot(manager: IOManager) -> None:
    """Of many together, a version never changes either."""
    if not isinstance(manager, StoresMany):
        return
    slot, other = new_slot(), new_slot()
    once, again = manager.store_many([("one", slot), ("one", slot)])
    assert once == again
    for values in (
        [("two", slot), ("other", new_slot())],
        [("here", other), ("there", other)],
    ):
        with pytest.raises(StoreError, match="a version never changes"):
            manager.store_many(values)
    assert manager.load(once, str) == "one"


def check_takes_encoded(manager: IOManager) -> None:
    """A value that was encoded before is stored as the value itself would be."""
    if not isinstance(manager, TakesEncoded):
        return
    encoding = manager.encode if isinstance(manager, Encodes) else encode
    for value, want in TYPED:
        slot = new_slot()
        stored = manager.store(encoding(value), slot)
        assert stored == manager.store(value, slot)
        assert manager.load(stored, want) == value


def check_threads(manager: IOManager) -> None:
    """IO-11: ten threads store and load at once, and each finds its own."""
    together = threading.Barrier(10)

    def work(number: int) -> list[object]:
        together.wait()
        kept = [manager.store([number, n], new_slot()) for n in range(5)]
        return [manager.load(stored, list[int]) for stored in kept]

    with ThreadPoolExecutor(10) as pool:
        found = list(pool.map(work, range(10)))
    assert found == [[[number, n] for n in range(5)] for number in range(10)]


def check_mutation(manager: IOManager) -> None:
    """Who changes what was stored, or what was loaded, disturbs nobody."""
    for value, want in (([1, [2]], None), ({"a": [1]}, dict[str, list[int]])):
        before = json.dumps(value)
        stored = manager.store(value, new_slot())
        value.clear()
        first = manager.load(stored, want)
        assert json.dumps(first) == before
        assert isinstance(first, list | dict)
        first.clear()
        assert json.dumps(manager.load(stored, want)) == before
    stored = manager.store(bytearray(b"ab"), new_slot())
    loaded = manager.load(stored, bytearray)
    assert isinstance(loaded, bytearray)
    loaded.clear()
    assert manager.load(stored, bytearray) == b"ab"


def check_digest(manager: IOManager) -> None:
    """Equal values have equal digests, wherever they are; others have others."""
    digests = [
        manager.store(value, new_slot()).digest
        for value in ({"a": {3, 1, 2}}, {"a": {2, 3, 1}}, {"a": {1, 2, 4}})
    ]
    assert digests[0] == digests[1] != digests[2]


def check_corruption(manager: IOManager) -> None:
    """IO-20: data that are not those that were stored are not handed out."""
    stored = manager.store("value", new_slot())
    other = replace(stored, digest=manager.store("other", new_slot()).digest)
    with pytest.raises(CodecError, match="not what was stored"):
        manager.load(other, str)


def check_misfit(manager: IOManager) -> None:
    """A value that does not fit the reader's annotation is refused with its place."""
    stored = manager.store({"rows": [1, "two"]}, new_slot())
    with pytest.raises(
        CodecError, match=r"\.rows\[1\]: Input should be a valid integer"
    ):
        manager.load(stored, dict[str, list[int]])


CHECKS: Sequence[Callable[[IOManager], None]] = (
    check_round_trip,
    check_nan,
    check_arrow,
    check_facts,
    check_delete,
    check_unknown_location,
    check_versions,
    check_same_slot,
    check_failed_store,
    check_hostile_paths,
    check_store_many,
    check_store_many_fails,
    check_store_many_same_slot,
    check_takes_encoded,
    check_threads,
    check_mutation,
    check_digest,
    check_corruption,
    check_misfit,
)
