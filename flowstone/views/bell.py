"""The bell of a decision: rung by whoever took it, for the flow that waits."""

from __future__ import annotations

import asyncio

from flowstone.core.errors import RunClosed
from flowstone.engines.ports import Backend
from flowstone.ledger.base import LIVE, Gate
from flowstone.steps.toolbox import Toolbox

__all__ = ["Bell"]

_PATIENCE = 3.0
"""Seconds that whoever decided waits for a server that does not answer."""


class Bell:
    """Rings flows for their gates.

    Args:
        toolbox: where the ledger is.
        backend: what drives the runs.
    """

    def __init__(self, toolbox: Toolbox, backend: Backend) -> None:
        self._toolbox = toolbox
        self._backend = backend

    async def ring(self, gate: Gate) -> None:
        """Have a flow look at a gate that was decided.

        Raises:
            RunClosed: nobody waits there any more.
        """
        if not await self._is_heard(gate):
            await self._close(gate)

    async def _is_heard(self, gate: Gate) -> bool:
        try:
            async with asyncio.timeout(_PATIENCE):
                return await self._backend.ring(gate.workflow, gate.id)
        except Exception:  # noqa: BLE001 - it is decided, and the relay rings again
            return True

    async def _close(self, gate: Gate) -> None:
        """End the run of a gate whose workflow is gone, and say that it has ended."""
        runs, gates = self._toolbox.ledger.runs, self._toolbox.ledger.gates
        row = await asyncio.to_thread(runs.get, gate.run)
        if row is not None and row.status in LIVE:
            # Of another process on this machine, nobody here knows whether it lives.
            if row.owner != self._backend.owner or await self._backend.is_alive(row):
                return
            gone = "its workflow is gone"
            await asyncio.to_thread(
                lambda: self._toolbox.end(row, "terminated", reason=gone)
            )
        found = await asyncio.to_thread(gates.get, gate.id)
        if found is not None and found.state == "abandoned":
            raise RunClosed(run_id=gate.run, status="ended")
