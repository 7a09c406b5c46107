"""Assert what is there, and what it was made from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from flowstone.client import Client
from flowstone.core.asset import AnyAsset, Asset
from flowstone.core.errors import ValueNotFound, at
from flowstone.core.partition import PartitionKey
from flowstone.core.ref import Key
from flowstone.io import encode
from flowstone.views import LineageEntry

__all__ = [
    "assert_golden",
    "assert_lineage",
    "assert_materialized",
    "assert_not_materialized",
]

Made = AnyAsset | str | tuple[AnyAsset | str, Key | None]
"""An asset, or an asset and its key."""


class _Anything:
    def __repr__(self) -> str:
        return "anything"


_ANYTHING = _Anything()


async def assert_materialized(
    stone: Client,
    asset: AnyAsset | str,
    partition: Key | None = None,
    *,
    value: object = _ANYTHING,
    version: str | None = None,
) -> None:
    """Assert that an asset has a value that readers see now.

    Args:
        stone: the client.
        asset: the asset, or its name.
        partition: its key.
        value: what it must be equal to.
        version: which version it must be.

    Raises:
        AssertionError: it has none, or another.
    """
    status = await stone.status(asset, partition)
    where = at(status.asset, status.partition)
    if status.version is None:
        why = f": {status.reason}" if status.reason else ""
        raise AssertionError(f"{where} has no value; it is {status.state}{why}.")
    if version is not None and status.version != version:
        raise AssertionError(f"{where} has version {status.version}, not {version}.")
    if value is _ANYTHING:
        return
    found = await stone.value(asset, partition)
    if found != value:
        raise AssertionError(f"{where} is {found!r}, not {value!r}.")


async def assert_not_materialized(
    stone: Client, asset: AnyAsset | str, partition: Key | None = None
) -> None:
    """Assert that an asset has no value that readers see now.

    Raises:
        AssertionError: it has one.
    """
    status = await stone.status(asset, partition)
    if status.version is not None:
        where = at(status.asset, status.partition)
        raise AssertionError(
            f"{where} has a value, made by run {status.run_id} at {status.made_at}."
        )


async def assert_lineage(
    stone: Client,
    asset: AnyAsset | str,
    partition: Key | None = None,
    *,
    upstream: Iterable[Made] | None = None,
    downstream: Iterable[Made] | None = None,
    depth: int | None = None,
    version: str | None = None,
) -> None:
    """Assert what exactly a value was made from, or what was made from it.

    An asset stands for a value of it at whatever key; a pair names the key too.

    Args:
        stone: the client.
        asset: the asset, or its name.
        partition: its key.
        upstream: all that it was made from, directly or not; in any order.
        downstream: all that was made from it.
        depth: how many steps to look at most.
        version: the version; by default the one that readers see now.

    Raises:
        AssertionError: something is missing, or is there besides; or it has no value.
    """
    for word, wanted in (("upstream", upstream), ("downstream", downstream)):
        if wanted is None:
            continue
        look = getattr(stone.lineage, word)
        try:
            found = await look(asset, partition, depth=depth, version=version)
        except ValueNotFound as error:
            raise AssertionError(str(error)) from error
        name = asset.name if isinstance(asset, Asset) else asset
        where = at(name, PartitionKey.of(partition).text)
        _compare(f"{word} of {where}", list(wanted), found)


def _compare(what: str, wanted: Sequence[Made], found: Sequence[LineageEntry]) -> None:
    keyed = {text for text, has_key in map(_text, wanted) if has_key}
    bare = {text for text, has_key in map(_text, wanted) if not has_key}
    cells = {at(e.asset, PartitionKey.of(e.partition).text): e.asset for e in found}
    missing = sorted((keyed - set(cells)) | (bare - {repr(a) for a in cells.values()}))
    besides = sorted(
        cell
        for cell, name in cells.items()
        if cell not in keyed and repr(name) not in bare
    )
    problems = [
        f"{word} {', '.join(names)}"
        for word, names in (("lacks", missing), ("has besides", besides))
        if names
    ]
    if problems:
        raise AssertionError(f"The {what} {' and '.join(problems)}.")


def _text(made: Made) -> tuple[str, bool]:
    named, *key = made if isinstance(made, tuple) else (made,)
    name = named.name if isinstance(named, Asset) else str(named)
    if not key:
        return repr(name), False
    return at(name, PartitionKey.of(key[0]).text), True  # pyright: ignore[reportArgumentType]


def assert_golden(value: object, path: Path) -> None:
    """Assert that a value is the one that somebody has approved.

    What is approved is kept in a file, as it would be stored. Where the value is
    another one, or nobody has approved any yet, it is written beside that file, with
    `.received` behind its name: look at it, and rename it to approve it.

    Args:
        value: anything that an asset may return.
        path: the file of the approved value.

    Raises:
        AssertionError: it is not the approved value.
    """
    received = path.with_name(f"{path.name}.received")
    data = encode(value).data
    if path.exists() and path.read_bytes().rstrip(b"\n") == data.rstrip(b"\n"):
        received.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    received.write_bytes(data + b"\n")
    what = "is not what was approved" if path.exists() else "was never approved"
    raise AssertionError(
        f"The value {what}. Look at {received.name}, and rename it to {path.name} "
        f"if it is right."
    )
