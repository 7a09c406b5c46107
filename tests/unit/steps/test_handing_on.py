"""What a pack hands on is what was stored, wherever the pack ends."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Literal, cast

import pytest
from pydantic import BaseModel

from flowstone.core.asset import Asset, asset
from flowstone.io.base import Slot, Stored
from flowstone.io.memory import MemoryIO
from tests.unit.steps.bench import Make


class Order(BaseModel):
    """A row."""

    id: int
    day: date


class Plain:
    """A manager that takes values one by one, as they are."""

    def __init__(self) -> None:
        self.stored: list[object] = []
        self._kept = MemoryIO()

    def store(self, value: object, at: Slot) -> Stored:
        self.stored.append(value)
        return self._kept.store(value, at)

    def load(self, at: Stored, want: object) -> object:
        return self._kept.load(at, want)

    def delete(self, at: Stored) -> None:
        self._kept.delete(at)


class OneByOne(Plain):
    """A manager that takes values encoded, one by one."""

    takes_encoded: Literal[True] = True


class Counting(MemoryIO):
    """A manager that says how many values came together."""

    def __init__(self) -> None:
        super().__init__()
        self.together: list[int] = []

    def store_many(self, values: Sequence[tuple[object, Slot]]) -> list[Stored]:
        self.together.append(len(values))
        return super().store_many(values)


@asset
def raw() -> list[int]:
    return [3, 1, 2]


@asset
def greedy(raw: list[int]) -> list[int]:
    raw.sort()
    raw.append(99)
    return raw


@asset
def report(raw: list[int], greedy: list[int]) -> str:
    return f"{raw} {greedy}"


SPLITS = [
    [["raw", "greedy", "report"]],
    [["raw"], ["greedy"], ["report"]],
    [["raw", "greedy"], ["report"]],
]


@pytest.mark.parametrize("split", SPLITS, ids=len)
@pytest.mark.parametrize("manager", [MemoryIO, Plain, OneByOne])
def test_a_reader_that_changes_its_input_disturbs_nobody(
    split: list[list[str]], manager: type[MemoryIO | Plain], bench: Make
) -> None:
    """Each reader has a value of its own, whatever others do with theirs."""
    shop = bench(raw, greedy, report, io={"default": manager()})
    shop.begin()
    for names in split:
        shop.run(*names)

    assert shop.value("report") == "[3, 1, 2] [1, 2, 3, 99]"
    assert shop.value("raw") == [3, 1, 2]


def test_a_maker_that_changes_its_value_later_changes_nothing(bench: Make) -> None:
    """What counts is the value at the moment when the function returned."""
    kept: list[int] = [1]

    @asset
    def leaks() -> list[int]:
        return kept

    @asset
    def changes(leaks: list[int]) -> int:
        kept.append(2)
        return len(leaks)

    shop = bench(leaks, changes)
    shop.begin("changes")
    shop.run("leaks", "changes")

    assert shop.value("leaks") == [1]
    assert shop.value("changes") == 1


@asset
def orders() -> list[Order]:
    return [Order(id=1, day=date(2025, 1, 15))]


@asset
def typed(orders: list[Order]) -> str:
    return type(orders[0]).__name__


@asset
def loose(orders: list[dict[str, object]]) -> str:
    return type(orders[0]).__name__


def _untyped(orders: object) -> str:
    return type(cast("list[object]", orders)[0]).__name__


_untyped.__annotations__.clear()
untyped = asset(name="untyped")(_untyped)


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize(
    ("reader", "kind"), [(typed, "Order"), (loose, "dict"), (untyped, "Order")]
)
def test_a_reader_has_what_it_is_annotated_with(
    reader: Asset[..., object], kind: str, split: bool, bench: Make
) -> None:
    """A value is decoded as its reader says, else as its maker does, in any pack."""
    shop = bench(orders, reader)
    shop.begin(reader.name)
    for names in [["orders"], [reader.name]] if split else [["orders", reader.name]]:
        shop.run(*names)

    assert shop.value(reader.name) == kind


def test_a_value_that_was_taken_is_read_like_one_that_was_made(bench: Make) -> None:
    """A pack reads a version of an earlier run as it reads its own."""
    shop = bench(raw, greedy)
    shop.begin("raw", run="r0")
    shop.run("raw", run="r0")
    shop.begin("greedy")
    assert [r.kind for r in shop.run("raw", "greedy")] == ["reused", "produced"]

    assert shop.value("greedy") == [1, 2, 3, 99]
    assert shop.reads("greedy") == {"raw": shop.version_id("raw")}


def test_a_large_value_is_stored_at_once(bench: Make) -> None:
    """More than 32 MiB are not kept in memory, and are read from the store."""
    manager = Counting()

    @asset
    def large() -> bytes:
        return b"x" * (32 * 1024 * 1024 + 1)

    @asset
    def size(large: bytes) -> int:
        assert manager.together == [1]
        return len(large)

    shop = bench(large, size, io={"default": manager})
    shop.begin("size")
    shop.run("large", "size")

    assert shop.value("size") == 32 * 1024 * 1024 + 1
    assert manager.together == [1, 1]


def test_values_of_a_group_are_stored_together(bench: Make) -> None:
    """A manager that keeps several at once is given a group's values at once."""
    manager = Counting()
    shop = bench(raw, greedy, report, io={"default": manager})
    shop.begin()
    shop.run("raw", "greedy", "report")

    assert manager.together == [3]


def test_each_manager_has_its_own_values(bench: Make) -> None:
    """Values go where their assets say, and are read from there."""

    @asset(io="lake")
    def deep() -> int:
        return 5

    @asset
    def shallow(deep: int) -> int:
        return deep + 1

    lake = Plain()
    shop = bench(deep, shallow, io={"default": MemoryIO(), "lake": lake})
    shop.begin("shallow")
    shop.run("deep", "shallow")

    assert lake.stored == [5]
    assert shop.value("shallow") == 6


def test_facts_are_kept_with_the_version(bench: Make) -> None:
    """What is known of a value, and what its function says of it, is in the catalog."""
    shop = bench(raw)
    shop.begin("raw")
    shop.run("raw")
    found = shop.version("raw")

    assert found is not None
    assert found.facts == {"codec": "json", "rows": 3}
    assert found.code == raw.code
    assert found.size == len("[3,1,2]")
