"""Waits for an answer from outside."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

from flowstone.core.errors import NotSupported, RunClosed
from flowstone.core.pipeline import AnyAsset
from flowstone.core.token import read_token
from flowstone.engines.ports import Backend
from flowstone.ledger.base import LIVE, Gate
from flowstone.steps.toolbox import Toolbox

__all__ = ["Gates"]


class Gates:
    """Waits for an answer from outside."""

    def __init__(self, toolbox: Toolbox, backend: Backend, actor: str) -> None:
        self._toolbox = toolbox
        self._backend = backend
        self._actor = actor

    async def list(self) -> Sequence[Gate]:
        """Give the gates that wait, the oldest first."""
        gates = self._toolbox.ledger.gates
        return await asyncio.to_thread(gates.waiting, self._toolbox.name)

    async def signal(
        self,
        token: str | None = None,
        payload: object = None,
        *,
        key: str | None = None,
        asset: AnyAsset | str | None = None,
    ) -> None:
        """Answer a gate.

        An answer that comes before its gate opens is kept for it; the same answer
        twice is fine.

        Args:
            token: what `ctx.token` gave.
            payload: the answer, anything that is JSON.
            key: the outside world's id; not built yet.
            asset: whose `key` it is; not built yet.

        Raises:
            BadToken: the token is not one of this app's.
            AlreadyDecided: it was answered differently, or its deadline has passed.
            RunClosed: its run has ended.
        """
        if key is not None or asset is not None:
            raise NotSupported(what="gates.signal(key=...)", instead="Give the token.")
        gate = read_token(token or "", self._toolbox.keys)
        text = json.dumps(payload, sort_keys=True, default=_refuse)
        answered = await asyncio.to_thread(
            self._toolbox.ledger.gates.answer, gate, text, self._actor
        )
        if answered is not None and not await self._is_heard(answered):
            await self._close(answered)

    async def _is_heard(self, gate: Gate) -> bool:
        try:
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


def _refuse(value: object) -> object:
    raise TypeError(f"the payload has a {type(value).__name__}, which is not JSON")  # noqa: EM102
