"""The callback endpoint: answers to gates, over HTTP, from whoever has their token.

Whoever has no good token is told the same, whatever was wrong with theirs, and nothing
of what they sent is kept.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from flowstone.client import Client
from flowstone.console.admission import Admission, nothing_here
from flowstone.console.bodies import drop_body
from flowstone.console.options import Options
from flowstone.console.signatures import is_signed
from flowstone.console.sources import kept_headers
from flowstone.core.errors import BadToken
from flowstone.ledger.deliveries import Delivery

__all__ = ["Callbacks", "Reach"]

Reach = Callable[[], Awaitable[Client]]
"""Gives the client; opens it where nobody has yet."""

_LOG = logging.getLogger("flowstone.console")
_REASONS = {
    "answered": "the answer was taken",
    "repeated": "the same answer was taken before",
    "kept": "the answer is kept until its gate opens",
    "refused": "the gate was answered differently before; the first answer stands",
    "late": "the deadline has passed",
    "closed": "the run has ended; nobody waits any more",
}


class Callbacks:
    """Takes answers.

    Args:
        reach: gives the client.
        options: how those who ask are treated.
        admission: who is let in.
    """

    def __init__(self, reach: Reach, options: Options, admission: Admission) -> None:
        self._reach = reach
        self._options = options
        self._admission = admission

    async def take(self, request: Request) -> Response:
        """Take one answer."""
        many = self._admission.too_many(request)
        if many is not None:
            await drop_body(request)
            return many
        body = await self._admission.body(request, "an answer")
        if isinstance(body, Response):
            return body
        return await self._receive(request, self._admission.source(request), body)

    async def _receive(self, request: Request, source: str, body: bytes) -> Response:
        options = self._options
        if options.signature and not is_signed(
            options.signature, options.secret, request.headers, body
        ):
            _LOG.warning("a delivery from %s bears no good signature", source)
            return nothing_here()
        stone = await self._reach()
        try:
            delivery = await stone.gates.receive(
                request.path_params["token"],
                body,
                source=source,
                headers=kept_headers(request.headers.items()),
            )
        except BadToken:
            _LOG.warning("a delivery from %s bears no good token", source)
            return nothing_here()
        return _told(delivery)


def _told(delivery: Delivery) -> Response:
    """Say what became of a delivery, and nothing of what others did."""
    said = _REASONS.get(delivery.outcome, delivery.reason)
    facts = {"delivery": delivery.id, "outcome": delivery.outcome}
    word = "message" if delivery.status < 400 else "error"
    return JSONResponse({**facts, word: said}, delivery.status)
