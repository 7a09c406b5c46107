"""Waits for an answer from outside."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

from flowstone.core.errors import NotSupported
from flowstone.core.pipeline import AnyAsset
from flowstone.core.token import read_token
from flowstone.ledger.base import Gate
from flowstone.steps.toolbox import Toolbox
from flowstone.views.bell import Bell

__all__ = ["Gates"]


class Gates:
    """Waits for an answer from outside."""

    def __init__(self, toolbox: Toolbox, bell: Bell, actor: str) -> None:
        self._toolbox = toolbox
        self._bell = bell
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
        if answered is not None:
            await self._bell.ring(answered)


def _refuse(value: object) -> object:
    raise TypeError(f"the payload has a {type(value).__name__}, which is not JSON")  # noqa: EM102
