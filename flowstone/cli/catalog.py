"""What there is: how an asset stands, and its value."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flowstone.cli.keys import key_of
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
from flowstone.cli.show import cell, emit, say, when
from flowstone.cli.values import as_data, write_value
from flowstone.core.partition import PartitionKey

if TYPE_CHECKING:
    from flowstone.client import Client
    from flowstone.views import AssetStatus

__all__ = ["show_status", "show_value"]

Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        metavar="FILE",
        help="Write it there: JSON, bytes as they are, a table as an Arrow stream.",
    ),
]


def show_status(
    app: App,
    asset: AssetName,
    partition: Partition = None,
    local: Local = None,
    as_json: AsJson = False,
) -> None:
    """Tell how an asset stands at a key."""
    owner, at = load(app), key_of(partition)
    owner.pipeline.check_key(owner.pipeline[asset].name, PartitionKey.of(at))
    found = ask(owner, local, lambda stone: stone.status(asset, at))
    if as_json:
        none = found.partition in {"", "-"}
        emit({**asdict(found), "partition": None if none else found.partition})
        return
    why = f": {' '.join(found.reason.split())}" if found.reason else ""
    say(f"{cell(found.asset, found.partition)}: {found.state}{why}{_made(found)}")


def show_value(
    app: App,
    asset: AssetName,
    partition: Partition = None,
    version: Version = None,
    out: Out = None,
    local: Local = None,
    as_json: AsJson = False,
) -> None:
    """Print a stored value as JSON, or write it to a file."""
    owner, at = load(app), key_of(partition)
    owner.pipeline.check_key(owner.pipeline[asset].name, PartitionKey.of(at))

    async def fetch(stone: Client) -> tuple[object, str | None]:
        which = version or (await stone.status(asset, at)).version
        return await stone.value(asset, at, which), which

    value, which = ask(owner, local, fetch)
    facts = {"asset": asset, "partition": partition, "version": which}
    if out is not None:
        size = write_value(value, out)
        if as_json:
            emit({**facts, "file": str(out), "bytes": size})
        else:
            say(f"{cell(asset, partition)}: {size} bytes in {out}")
        return
    data = as_data(value)
    emit({**facts, "value": data} if as_json else data)


def _made(found: AssetStatus) -> str:
    said: list[str] = []
    if found.version:
        said.append(f"version {found.version} of {when(found.made_at)}")
    if found.run_id:
        said.append(f"run {found.run_id}")
    return f" ({', '.join(said)})" if said else ""
