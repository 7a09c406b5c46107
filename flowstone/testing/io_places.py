"""What every IO manager promises about where values are; `CHECKS` has it all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import uuid4

import pytest

from flowstone.core.errors import ValueNotFound
from flowstone.core.partition import PartitionKey
from flowstone.io import IOManager, ListsLocations, Slot, Stored, StoresMany
from flowstone.testing.hostile import hostile
from flowstone.testing.io_suite import new_slot, through_json

__all__ = [
    "CHECKS",
    "check_foreign_locations",
    "check_hostile_partitions",
    "check_listing",
    "check_listing_suffices_to_delete",
    "check_many_are_listed",
    "check_no_half_is_read",
    "slot_at",
]

_LARGE = 3_000_000


def slot_at(text: str, *, asset: str = "shop/report", version: str = "") -> Slot:
    """Give a slot at a partition, by its text."""
    version = version or str(uuid4())
    return Slot(asset=asset, key=text, version=version, path=f"{asset}/{version}")


def check_hostile_partitions(manager: IOManager) -> None:
    """IO-08: three hundred hostile partitions are stored, and each is read back."""
    texts = [PartitionKey.of(key).text for key in hostile(300)]
    kept = _store_all(manager, [(text, slot_at(text)) for text in texts])
    assert len({stored.location for stored in kept}) == len(texts)

    def load(stored: Stored) -> object:
        return manager.load(through_json(stored), str)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(load, kept)) == texts


def check_listing(manager: IOManager) -> None:
    """All that is kept is listed, with its bytes and its version, below its asset."""
    if not isinstance(manager, ListsLocations):
        return
    before, shop = dict(manager.list_locations()), f"shop-{uuid4().hex}"
    slots = [
        slot_at("2025-01-15", asset=asset)
        for asset in (
            *(f"{shop}/a", f"{shop}/a", f"{shop}/ab", f"{shop}2/a", f"{shop[:-1]}/a"),
        )
    ]
    kept = [manager.store([slot.version], slot) for slot in slots]
    table = {stored.location: stored.bytes for stored in kept}
    assert dict(manager.list_locations()) == before | table
    for slot, stored in zip(slots, kept, strict=True):
        assert slot.version in stored.location
    first, second, third, *_ = kept
    assert {at for at, _ in manager.list_locations(f"{shop}/a")} == {
        first.location,
        second.location,
    }
    assert {at for at, _ in manager.list_locations(shop)} == {
        *(first.location, second.location, third.location),
    }
    assert list(manager.list_locations(f"{shop}/nothing")) == []
    manager.delete(first)
    assert {at for at, _ in manager.list_locations(f"{shop}/a")} == {second.location}


def check_listing_suffices_to_delete(manager: IOManager) -> None:
    """What is listed can be deleted by its location alone."""
    if not isinstance(manager, ListsLocations):
        return
    before = dict(manager.list_locations())
    for value in ([1], b"bytes"):
        manager.store(value, new_slot())
    for location, size in list(manager.list_locations()):
        if location not in before:
            manager.delete(Stored(location=location, bytes=size, digest="", facts={}))
    assert dict(manager.list_locations()) == before


def check_many_are_listed(manager: IOManager) -> None:
    """A listing has every value, however many there are."""
    if not isinstance(manager, ListsLocations):
        return
    before = {at for at, _ in manager.list_locations()}
    kept = _store_all(manager, [(n, new_slot()) for n in range(1_005)])
    found = {at for at, _ in manager.list_locations()}
    assert found == before | {stored.location for stored in kept}
    for stored in kept:
        manager.delete(stored)


def check_foreign_locations(manager: IOManager) -> None:
    """A location that is none of its own is not found, whatever it leads to."""
    stored = manager.store("value", new_slot())
    scheme, _, rest = stored.location.partition(":")
    for location in (
        *("", "/etc/passwd", "file:///etc/passwd", "s3://elsewhere/key", "memory:"),
        f"{scheme}:../{rest}",
        f"{scheme}:{rest}/../{rest}",
        f"elsewhere:{rest}",
    ):
        with pytest.raises(ValueNotFound):
            manager.load(replace(stored, location=location), str)
        manager.delete(replace(stored, location=location))
    assert manager.load(stored, str) == "value"


def check_no_half_is_read(manager: IOManager) -> None:
    """A reader finds nothing or all of a value, while it is stored and deleted."""
    value, slot = bytes(range(256)) * (_LARGE // 256), slot_at("2025-01-15")
    stored = manager.store(value, slot)
    ended = threading.Event()

    def read() -> set[str]:
        found: set[str] = set()
        while not ended.is_set():
            try:
                found.add("all" if manager.load(stored, bytes) == value else "half")
            except ValueNotFound:
                found.add("nothing")
        return found

    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        until = time.monotonic() + 1.0
        try:
            while time.monotonic() < until:
                manager.delete(stored)
                assert manager.store(value, slot) == stored
        finally:
            ended.set()
    assert {word for reader in readers for word in reader.result()} <= {
        "all",
        "nothing",
    }


def _store_all(
    manager: IOManager, pairs: Sequence[tuple[object, Slot]]
) -> Sequence[Stored]:
    if isinstance(manager, StoresMany):
        return manager.store_many(pairs)
    return [manager.store(value, slot) for value, slot in pairs]


CHECKS: Sequence[Callable[[IOManager], None]] = (
    check_hostile_partitions,
    check_listing,
    check_listing_suffices_to_delete,
    check_many_are_listed,
    check_foreign_locations,
    check_no_half_is_read,
)
