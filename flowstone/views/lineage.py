"""What made what, by exact versions."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime

from flowstone.core.errors import NotSupported, ValueNotFound
from flowstone.core.partition import PartitionKey
from flowstone.core.pipeline import AnyAsset
from flowstone.core.ref import Key
from flowstone.ledger.lineage import LineageRow
from flowstone.steps.toolbox import Toolbox

__all__ = ["Lineage", "LineageEntry"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageEntry:
    """One version that another was made from, or that was made from it.

    Attributes:
        depth: how many steps away it is.
        current: whether readers see it now.
    """

    asset: str
    partition: Key | None
    version: str
    depth: int
    current: bool
    run_id: str
    code: str
    made_at: datetime


class Lineage:
    """What made what, by exact versions."""

    def __init__(self, toolbox: Toolbox) -> None:
        self._toolbox = toolbox

    async def upstream(
        self,
        asset: AnyAsset | str,
        partition: Key | None = None,
        *,
        depth: int | None = None,
        version: str | None = None,
    ) -> list[LineageEntry]:
        """Give all that a value was made from, the nearest first.

        Args:
            asset: the asset, or its name.
            partition: its key.
            depth: how many steps to go at most.
            version: the version; by default the one that readers see now.

        Raises:
            ValueNotFound: there is no such value.
        """
        return await self._walk(asset, partition, depth, version, down=False)

    async def downstream(
        self,
        asset: AnyAsset | str,
        partition: Key | None = None,
        *,
        depth: int | None = None,
        version: str | None = None,
    ) -> list[LineageEntry]:
        """Give all that was made from a value, the nearest first."""
        return await self._walk(asset, partition, depth, version, down=True)

    async def impact(
        self,
        asset: AnyAsset | str,
        partition: Key | None = None,
        *,
        depth: int | None = None,
        version: str | None = None,
    ) -> list[LineageEntry]:
        """Give what readers see now that was made from a value."""
        found = await self._walk(asset, partition, depth, version, down=True)
        return [entry for entry in found if entry.current]

    async def why(self, *_: object, **__: object) -> object:
        """Refuse: explanations are not built yet."""
        raise NotSupported(what="lineage.why(...)")

    async def _walk(
        self,
        asset: AnyAsset | str,
        partition: Key | None,
        depth: int | None,
        version: str | None,
        *,
        down: bool,
    ) -> list[LineageEntry]:
        found = self._toolbox.pipeline[asset]
        key = PartitionKey.of(partition)
        self._toolbox.pipeline.check_key(found.name, key)
        return await asyncio.to_thread(
            self._rows, found.name, key.text, depth, version, down
        )

    def _rows(
        self, name: str, key: str, depth: int | None, version: str | None, down: bool
    ) -> list[LineageEntry]:
        catalog = self._toolbox.ledger.catalog
        here = catalog.version(f"{self._toolbox.name}/{name}", key, version)
        if here is None:
            raise ValueNotFound(asset=name, partition=key)
        rows = catalog.lineage(here.id, down=down, depth=depth)
        return [_entry(row) for row in rows]


def _entry(row: LineageRow) -> LineageEntry:
    version = row.version
    return LineageEntry(
        asset=version.asset.split("/", 1)[-1],
        partition=PartitionKey(version.key).value,
        version=version.id,
        depth=row.depth,
        current=row.current,
        run_id=version.run,
        code=version.code,
        made_at=version.created_at,
    )
