"""Decisions over HTTP: by whom, the authenticator says, never the request's body."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from hmac import compare_digest
from typing import cast

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from flowstone.console.bodies import TooLarge, TooSlow, drop_body, read_body
from flowstone.console.callbacks import Reach, nothing_here
from flowstone.console.limiting import Limiter
from flowstone.console.options import Options
from flowstone.console.sources import limited_as, source_of
from flowstone.core.errors import (
    AlreadyDecided,
    CodecError,
    FlowstoneError,
    OutOfDate,
    Refused,
    RunClosed,
    UnknownGate,
)
from flowstone.core.partition import PartitionKey
from flowstone.views import ApprovalEntry, Approvals

__all__ = ["Authenticator", "Decisions", "bearer"]

Authenticator = Callable[[Request], str | None]
"""Says who asks, by what the request shows; `None` where that is nobody it knows."""

_WORDS: Mapping[str, Mapping[str, type]] = {
    "approve": {"comment": str, "edits": object},
    "reject": {"reason": str},
    "escalate": {"to": str},
    "recompute": {},
}
"""What may be decided, and what may be said with it."""

_STATUSES: tuple[tuple[type[FlowstoneError], int], ...] = (
    (UnknownGate, 404),
    (AlreadyDecided, 409),
    (OutOfDate, 409),
    (RunClosed, 410),
    (CodecError, 422),
    (Refused, 422),
)


def bearer(actors: Mapping[str, str]) -> Authenticator:
    """Know people by tokens of their own, shown as `Authorization: Bearer TOKEN`.

    Args:
        actors: each one's token, by name.
    """

    def authenticate(request: Request) -> str | None:
        kind, _, shown = request.headers.get("authorization", "").partition(" ")
        given = shown.strip().encode()
        found = None
        for actor, token in actors.items():
            # All are compared: how long it takes tells nothing.
            if compare_digest(given, token.encode()):
                found = actor
        return found if kind.lower() == "bearer" else None

    return authenticate


class Decisions:
    """Takes decisions of those whom an authenticator knows.

    Args:
        reach: gives the client.
        options: how those who ask are treated.
        authenticate: says who asks.
    """

    def __init__(
        self, reach: Reach, options: Options, authenticate: Authenticator
    ) -> None:
        self._reach = reach
        self._options = options
        self._authenticate = authenticate
        self._limiter = Limiter(options.rate)

    async def list(self, request: Request) -> Response:
        """Give what waits for a decision."""
        refused, actor = self._admitted(request)
        if refused is not None:
            return refused
        approvals = await self._of(actor)
        return JSONResponse([_shown(entry) for entry in await approvals.list()])

    async def decide(self, request: Request) -> Response:
        """Take one decision."""
        refused, actor = self._admitted(request)
        word = request.path_params["word"]
        if refused is None and word not in _WORDS:
            refused = nothing_here()
        if refused is not None:
            await drop_body(request)
            return refused
        try:
            said = await self._read(request, _WORDS[word])
        except TooLarge:
            await drop_body(request)
            return _error(
                413, f"a decision has at most {self._options.max_bytes} bytes"
            )
        except TooSlow:
            return _error(408, "the decision did not come in time")
        except ClientDisconnect:
            return Response(status_code=400)
        except ValueError as error:
            return _error(400, str(error))
        return await self._decided(word, request.path_params["id"], said, actor)

    def _admitted(self, request: Request) -> tuple[Response | None, str]:
        peer = request.client.host if request.client else ""
        forwarded = request.headers.getlist("x-forwarded-for")
        source = source_of(peer, forwarded, self._options.proxies)
        wait = self._limiter.take(limited_as(source))
        if wait:
            headers = {"Retry-After": str(wait)}
            return _error(429, "too many requests from this source", headers), ""
        actor = self._authenticate(request)
        if not actor:
            headers = {"WWW-Authenticate": "Bearer"}
            return _error(401, "show who you are", headers), ""
        return None, actor

    async def _of(self, actor: str) -> Approvals:
        return (await self._reach()).approvals.on_behalf_of(actor)

    async def _read(
        self, request: Request, words: Mapping[str, type]
    ) -> dict[str, object]:
        body = await read_body(request, self._options.max_bytes)
        found = json.loads(body or b"{}")
        if not isinstance(found, dict):
            raise ValueError("a decision is a JSON object")  # noqa: TRY004
        said = cast("dict[str, object]", found)
        for word, value in said.items():
            if word not in words or not isinstance(value, words[word]):
                known = ", ".join(words) or "nothing"
                raise ValueError(f"{word!r} is not what this takes; it takes {known}")  # noqa: EM102
        return said

    async def _decided(
        self, word: str, id_: str, said: Mapping[str, object], actor: str
    ) -> Response:
        approvals = await self._of(actor)
        verb = cast("Callable[..., Awaitable[ApprovalEntry]]", getattr(approvals, word))
        needed = {"to": ""} if word == "escalate" else {}
        try:
            return JSONResponse(_shown(await verb(id_, **{**needed, **said})))
        except ValueError as error:
            return _error(422, str(error))
        except FlowstoneError as error:
            for kind, status in _STATUSES:
                if isinstance(error, kind):
                    return _error(status, error.message)
            raise


def _shown(entry: ApprovalEntry) -> dict[str, object]:
    """Give an approval as JSON has it."""
    plain = (
        (name, _plain(getattr(entry, name)))
        for name in entry.__dataclass_fields__
        if name != "partition"
    )
    return {"partition": PartitionKey.of(entry.partition).text, **dict(plain)}


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return [_plain(one) for one in cast("list[object]", value)]
    return value


def _error(
    status: int, said: str, headers: Mapping[str, str] | None = None
) -> Response:
    return JSONResponse({"error": said}, status, headers=dict(headers or {}))
