"""What made what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flowstone.cli.keys import key_of, text_of
from flowstone.cli.loading import load
from flowstone.cli.parameters import (
    App,
    AsJson,
    AssetName,
    Local,
    Partition,
    Version,
)
from flowstone.cli.session import ask
from flowstone.cli.show import cell, emit, table
from flowstone.core.partition import PartitionKey

if TYPE_CHECKING:
    from flowstone.client import Client
    from flowstone.views import LineageEntry

__all__ = ["show_downstream", "show_impact", "show_upstream"]

Depth = Annotated[
    int | None, typer.Option("--depth", min=1, help="How many steps at most.")
]
Direction = Literal["upstream", "downstream", "impact"]


def show_upstream(
    app: App,
    asset: AssetName,
    partition: Partition = None,
    depth: Depth = None,
    version: Version = None,
    local: Local = None,
    as_json: AsJson = False,
) -> None:
    """Show all that a value was made from, the nearest first."""
    found = _walk("upstream", app, asset, partition, depth, version, local)
    _answer(found, as_json=as_json)


def show_downstream(
    app: App,
    asset: AssetName,
    partition: Partition = None,
    depth: Depth = None,
    version: Version = None,
    local: Local = None,
    as_json: AsJson = False,
) -> None:
    """Show all that was made from a value, the nearest first."""
    found = _walk("downstream", app, asset, partition, depth, version, local)
    _answer(found, as_json=as_json)


def show_impact(
    app: App,
    asset: AssetName,
    partition: Partition = None,
    depth: Depth = None,
    version: Version = None,
    local: Local = None,
    as_json: AsJson = False,
) -> None:
    """Show what readers see now that was made from a value."""
    found = _walk("impact", app, asset, partition, depth, version, local)
    _answer(found, as_json=as_json)


def _walk(
    direction: Direction,
    app: str,
    asset: str,
    partition: str | None,
    depth: int | None,
    version: str | None,
    local: str | None,
) -> list[LineageEntry]:
    owner, at = load(app), key_of(partition)
    owner.pipeline.check_key(owner.pipeline[asset].name, PartitionKey.of(at))

    async def walk(stone: Client) -> list[LineageEntry]:
        verb = getattr(stone.lineage, direction)
        return await verb(asset, at, depth=depth, version=version)

    return ask(owner, local, walk)


def _answer(found: Sequence[LineageEntry], *, as_json: bool) -> None:
    if as_json:
        emit([_entry_data(entry) for entry in found])
        return
    table(
        ["steps", "asset", "version", "made", "run", "now"],
        [
            [
                entry.depth,
                cell(entry.asset, text_of(entry.partition)),
                entry.version,
                entry.made_at,
                entry.run_id,
                "current" if entry.current else "replaced",
            ]
            for entry in found
        ],
    )


def _entry_data(entry: LineageEntry) -> dict[str, object]:
    return {
        "asset": entry.asset,
        "partition": text_of(entry.partition),
        "version": entry.version,
        "depth": entry.depth,
        "current": entry.current,
        "run_id": entry.run_id,
        "code": entry.code,
        "made_at": entry.made_at,
    }
