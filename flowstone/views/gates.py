"""Waits for an answer from outside."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from flowstone.core.errors import Refused, RunClosed
from flowstone.core.pipeline import AnyAsset
from flowstone.ledger.base import Gate
from flowstone.ledger.deliveries import Delivery
from flowstone.steps.toolbox import Toolbox
from flowstone.views.bell import Bell
from flowstone.views.inbox import Inbox

__all__ = ["Gates"]


class Gates:
    """Waits for an answer from outside."""

    def __init__(self, toolbox: Toolbox, bell: Bell, actor: str) -> None:
        self._toolbox = toolbox
        self._bell = bell
        self._actor = actor
        self._inbox = Inbox(toolbox)

    async def list(self, *, limit: int = 1000) -> Sequence[Gate]:
        """Give the gates that wait, the oldest first.

        Args:
            limit: how many at most.
        """
        gates = self._toolbox.ledger.gates
        return await asyncio.to_thread(gates.waiting, self._toolbox.name, limit)

    async def signal(
        self,
        token: str | None = None,
        payload: object = None,
        *,
        key: str | None = None,
        asset: AnyAsset | str | None = None,
    ) -> None:
        """Answer a gate, by its token or by the outside world's own id.

        An answer that comes before its gate opens is kept for it; the same answer
        twice is fine.

        Args:
            token: what `ctx.token` gave.
            payload: the answer, anything that is JSON.
            key: what `Signal(key=...)` gave.
            asset: whose `key` it is.

        Raises:
            BadToken: the token is not one of this app's.
            BadPayload: the asset does not take such an answer; the gate stays open.
            AlreadyDecided: it was answered differently, or its deadline has passed.
            RunClosed: its run has ended.
            Refused: neither a token was given, nor a key with its asset.
        """
        if key is None and asset is None:
            answered = await asyncio.to_thread(
                self._inbox.answer, token or "", payload, self._actor
            )
        elif key is None or asset is None or token is not None:
            raise Refused(
                reason="gates.signal(...) takes a token, or key= together with asset=."
            )
        else:
            name = self._toolbox.pipeline[asset].name
            answered = await asyncio.to_thread(
                self._inbox.answer_outside, name, key, payload, self._actor
            )
        if answered is not None:
            await self._bell.ring(answered)

    async def receive(
        self,
        token: str,
        body: bytes,
        *,
        source: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Delivery:
        """Take in what somebody delivered to a gate's callback URL, and log it.

        For endpoints: what `signal` would raise is told in the delivery that it
        gives, with a status of HTTP.

        Args:
            token: what the URL had.
            body: what was sent, as it came.
            source: where it came from.
            headers: those to keep with it; secrets are not masked here.

        Raises:
            BadToken: the token is not one of this app's; nothing is written down.
        """
        delivery, gate = await asyncio.to_thread(
            self._inbox.receive, token, body, source, headers or {}
        )
        return await self._told(delivery, gate)

    async def deliveries(
        self, *, gate: str = "", limit: int = 100
    ) -> Sequence[Delivery]:
        """Give what was delivered to callback URLs, the newest first.

        Args:
            gate: only for the gate with this id.
            limit: how many at most.
        """
        rows = self._toolbox.ledger.deliveries
        return await asyncio.to_thread(
            lambda: rows.list(self._toolbox.name, gate=gate, limit=limit)
        )

    async def redeliver(self, delivery: str) -> Delivery:
        """Deliver again what was delivered before, as it was.

        Raises:
            UnknownDelivery: there is none with this id, or it is no longer kept.
            Refused: it brought nothing that could be delivered.
        """
        again, gate = await asyncio.to_thread(
            self._inbox.redeliver, delivery, self._actor
        )
        return await self._told(again, gate)

    async def _told(self, delivery: Delivery, gate: Gate | None) -> Delivery:
        if gate is None:
            return delivery
        try:
            await self._bell.ring(gate)
        except RunClosed as error:
            rows = self._toolbox.ledger.deliveries
            return await asyncio.to_thread(rows.close, delivery, error.message)
        return delivery
