"""Who did what."""

from __future__ import annotations

import asyncio

from flowstone.ledger.audit import AuditEntry
from flowstone.steps.toolbox import Toolbox

__all__ = ["Audit"]


class Audit:
    """Who did what."""

    def __init__(self, toolbox: Toolbox) -> None:
        self._toolbox = toolbox

    async def list(self, *, limit: int = 100, subject: str = "") -> list[AuditEntry]:
        """Give the newest lines first."""
        catalog = self._toolbox.ledger.catalog
        return await asyncio.to_thread(
            lambda: catalog.audit(self._toolbox.name, limit=limit, subject=subject)
        )
