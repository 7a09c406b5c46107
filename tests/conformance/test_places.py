"""Ten thousand hostile partitions have ten thousand safe places."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

import pytest

from flowstone.core.partition import PartitionKey
from flowstone.io import Slot
from flowstone.io.base import address
from flowstone.io.keys import LONGEST_KEY, is_safe, object_key, prefix_key
from flowstone.testing.hostile import LONGEST, hostile

COUNT = 10_000
ASSET = "shop/report"
VERSION = "0198c0de-0000-7000-8000-000000000000"


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """Give the texts of hostile partitions."""
    return [PartitionKey.of(key).text for key in hostile(COUNT)]


def _slot(text: str) -> Slot:
    path = f"{ASSET}/{text}/{VERSION}"
    return Slot(asset=ASSET, key=text, version=VERSION, path=path)


def test_they_are_what_they_say(texts: Sequence[str]) -> None:
    """IO-08: ten thousand partitions, of five thousand characters too, have a text."""
    assert len(set(texts)) == COUNT
    assert max(map(len, texts)) >= LONGEST
    for text in texts:
        assert PartitionKey.of(PartitionKey(text).value).text == text
        assert re.fullmatch(r"[A-Za-z0-9_.\-+:!%(){},=']+", text)


def test_ids(texts: Sequence[str]) -> None:
    """IO-08: each has an id of its own, short enough for Temporal and for a path."""
    ids = [PartitionKey(text).id_text for text in texts]
    assert len(set(ids)) == COUNT
    assert max(len(one.encode()) for one in ids) <= 120
    for one in ids:
        assert re.fullmatch(r"[A-Za-z0-9_.\-+:!%(){},='~]+", one)


def test_keys(texts: Sequence[str]) -> None:
    """IO-08: each has a key of its own in S3, below its asset, of at most 900 bytes."""
    keys = [object_key(_slot(text), ".parquet") for text in texts]
    assert len(set(keys)) == COUNT
    longest_prefix = 200
    assert max(len(key.encode()) for key in keys) <= LONGEST_KEY <= 900 - longest_prefix
    for key in keys:
        assert key.startswith(prefix_key(ASSET))
        assert key.endswith(f"/{VERSION}.parquet")
        assert is_safe(key)
        assert not re.search(r"/[._]|//|%(?![0-9A-F]{2})", key)


def test_keys_of_long_names() -> None:
    """Assets, partitions and versions that are all long still have a short key."""
    keys = {
        object_key(
            Slot(asset=f"{'p' * 300}/{'é' * n}", key="x" * n, version="v" * n, path=""),
            ".parquet",
        )
        for n in range(900, 1_000)
    }
    assert len(keys) == 100
    assert max(map(len, keys)) <= LONGEST_KEY
    named = {f"dimension-{n}": f"value/{n}" for n in range(20)}
    text = PartitionKey.of(named).text
    (key,) = {object_key(_slot(text), ".json") for _ in range(2)}
    assert key.count("/") == 3  # too long for folders, it is one


def test_paths(texts: Sequence[str]) -> None:
    """IO-08: each has a file of its own inside of its folder, with names that fit."""
    root = "/srv/lake"
    files = [f"{root}/{object_key(_slot(text), '.parquet')}" for text in texts]
    assert len({os.path.normpath(file) for file in files}) == COUNT
    for file in files:
        assert os.path.normpath(file) == file
        assert os.path.commonpath([root, file]) == root
        assert max(len(name) for name in file.split("/")) + len("..12345678.tmp") < 256


def test_table_keys(texts: Sequence[str]) -> None:
    """IO-08: each has a key of its own in a table, after its prefix, of bounded size."""
    keys = [address("postgres:t/", _slot(text).path) for text in texts]
    assert len(set(keys)) == COUNT
    assert max(len(key.encode()) for key in keys) < 700
    for key in keys:
        assert key.startswith(f"postgres:t/{ASSET}/")
        assert key.isascii()
        assert key.isprintable()


@pytest.mark.parametrize(
    "text",
    ["a/../../b", "", "\x00", "%2", "%zz", "~", "\ud800", "x" * 5_000, "{", "(", "'"],
)
def test_what_is_no_canonical_text_is_safe_too(text: str) -> None:
    """A slot whose key nobody checked leads nowhere else either."""
    key = object_key(_slot(text), ".json")
    assert is_safe(key)
    assert key.startswith("shop/report/")
    assert key.isascii()


def test_unsafe_keys_are_known() -> None:
    """A key that leads elsewhere is told from those that are made here."""
    for key in ("", "a//b", "/a", "a/", "../a", "a/./b", "a b", "é", "a\x00", "a?b"):
        assert not is_safe(key)
