"""The runs of an app."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from flowstone.core.asset import Asset
from flowstone.core.errors import UnknownRun
from flowstone.core.pipeline import AnyAsset
from flowstone.ledger.base import RunRow
from flowstone.run import Run
from flowstone.steps.toolbox import Toolbox

__all__ = ["Runs"]


class Runs:
    """The runs of an app."""

    def __init__(self, toolbox: Toolbox, run_of: Callable[[RunRow], Run[Any]]) -> None:
        self._toolbox = toolbox
        self._run_of = run_of

    async def list(
        self,
        *,
        limit: int = 50,
        asset: AnyAsset | str | None = None,
        status: str = "",
    ) -> list[RunRow]:
        """Give the newest runs first."""
        name = asset.name if isinstance(asset, Asset) else asset or ""
        return await asyncio.to_thread(
            lambda: self._toolbox.ledger.runs.recent(
                self._toolbox.name, limit=limit, asset=name, status=status
            )
        )

    async def get(self, run_id: str) -> Run[Any]:
        """Give a run.

        Raises:
            UnknownRun: there is none of this id.
        """
        row = await asyncio.to_thread(self._toolbox.ledger.runs.get, run_id)
        if row is None or row.request.pipeline != self._toolbox.name:
            raise UnknownRun(run_id=run_id)
        return self._run_of(row)
