"""The body of a request, of which never more is kept than may be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from starlette.requests import ClientDisconnect, Request

__all__ = ["TooLarge", "TooSlow", "drop_body", "read_body"]

_PATIENCE = 30.0
_DROPPED = 16 * 1_048_576
_DROPPING = 5.0


class TooLarge(Exception):
    """There is more than may be."""


class TooSlow(Exception):
    """It did not come in time."""


async def read_body(
    request: Request, most: int, *, patience: float = _PATIENCE
) -> bytes:
    """Read a body.

    Raises:
        TooLarge: it has more than `most` bytes; the rest is not kept.
        TooSlow: it took longer than `patience` seconds.
        ClientDisconnect: whoever sent it has gone.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(patience):
            async for chunk in request.stream():
                if len(body) + len(chunk) > most:
                    raise TooLarge
                body += chunk
    except TimeoutError as error:
        raise TooSlow from error
    return bytes(body)


async def drop_body(request: Request) -> None:
    """Let whoever is sending come to an end, so that they hear the answer.

    It is kept nowhere; who sends without end, or slowly, is cut off.
    """
    seen = 0
    with suppress(TimeoutError, ClientDisconnect):
        async with asyncio.timeout(_DROPPING):
            async for chunk in _rest(request):
                seen += len(chunk)
                if seen > _DROPPED:
                    return


async def _rest(request: Request) -> AsyncIterator[bytes]:
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            return
        yield message.get("body", b"")
        if not message.get("more_body", False):
            return
