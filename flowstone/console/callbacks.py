"""The callback endpoint: answers to gates, over HTTP, from whoever has their token.

Whoever has no good token is told the same, whatever was wrong with theirs, and nothing
of what they sent is kept.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from flowstone.client import Client
from flowstone.console.bodies import TooLarge, TooSlow, drop_body, read_body
from flowstone.console.limiting import Limiter
from flowstone.console.options import Options
from flowstone.console.signatures import is_signed
from flowstone.console.sources import kept_headers, limited_as, source_of
from flowstone.core.errors import BadToken
from flowstone.ledger.deliveries import Delivery

__all__ = ["Callbacks", "Reach", "nothing_here"]

Reach = Callable[[], Awaitable[Client]]
"""Gives the client; opens it where nobody has yet."""

_LOG = logging.getLogger("flowstone.console")
_JSON = "application/json"
_REASONS = {
    "answered": "the answer was taken",
    "repeated": "the same answer was taken before",
    "kept": "the answer is kept until its gate opens",
    "refused": "the gate was answered differently before; the first answer stands",
    "late": "the deadline has passed",
    "closed": "the run has ended; nobody waits any more",
}


def nothing_here() -> Response:
    """Say that there is nothing, whatever the reason."""
    return JSONResponse({"error": "not found"}, 404)


class Callbacks:
    """Takes answers.

    Args:
        reach: gives the client.
        options: how those who ask are treated.
    """

    def __init__(self, reach: Reach, options: Options) -> None:
        self._reach = reach
        self._options = options
        self._limiter = Limiter(options.rate)

    async def take(self, request: Request) -> Response:
        """Take one answer."""
        peer = request.client.host if request.client else ""
        forwarded = request.headers.getlist("x-forwarded-for")
        source = source_of(peer, forwarded, self._options.proxies)
        refused = self._refusal(request, source)
        if refused is not None:
            await drop_body(request)
            return refused
        try:
            body = await read_body(request, self._options.max_bytes)
        except TooLarge:
            await drop_body(request)
            return self._too_large()
        except TooSlow:
            return _refused(408, "the answer did not come in time")
        except ClientDisconnect:
            return Response(status_code=400)
        return await self._receive(request, source, body)

    def _refusal(self, request: Request, source: str) -> Response | None:
        """Refuse what need not be read, by nothing that a token has to do with."""
        wait = self._limiter.take(limited_as(source))
        if wait:
            headers = {"Retry-After": str(wait)}
            return _refused(429, "too many requests from this source", headers)
        kind = request.headers.get("content-type", "").partition(";")[0]
        coded = request.headers.get("content-encoding", "identity").strip().lower()
        if kind.strip().lower() != _JSON or coded != "identity":
            said = f"an answer is {_JSON}, and not compressed"
            return _refused(415, said, {"Accept": _JSON})
        size = request.headers.get("content-length", "0")
        if size.isdecimal() and int(size) > self._options.max_bytes:
            return self._too_large()
        return None

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

    def _too_large(self) -> Response:
        most = self._options.max_bytes
        return _refused(413, f"an answer has at most {most} bytes")


def _told(delivery: Delivery) -> Response:
    """Say what became of a delivery, and nothing of what others did."""
    said = _REASONS.get(delivery.outcome, delivery.reason)
    facts = {"delivery": delivery.id, "outcome": delivery.outcome}
    word = "message" if delivery.status < 400 else "error"
    return JSONResponse({**facts, word: said}, delivery.status)


def _refused(
    status: int, said: str, headers: Mapping[str, str] | None = None
) -> Response:
    return JSONResponse({"error": said}, status, headers=dict(headers or {}))
