"""Decisions over HTTP: by whom, the authenticator says, never the request's body."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from hmac import compare_digest
from typing import cast

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from flowstone.console.admission import Admission, nothing_here, refused
from flowstone.console.bodies import drop_body
from flowstone.console.callbacks import Reach
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
        admission: who is let in.
        authenticate: says who asks.
    """

    def __init__(
        self, reach: Reach, admission: Admission, authenticate: Authenticator
    ) -> None:
        self._reach = reach
        self._admission = admission
        self._authenticate = authenticate

    async def list(self, request: Request) -> Response:
        """Give what waits for a decision."""
        actor = self._admitted(request)
        if isinstance(actor, Response):
            return actor
        approvals = await self._of(actor)
        return JSONResponse([_shown(entry) for entry in await approvals.list()])

    async def decide(self, request: Request) -> Response:
        """Take one decision."""
        actor, word = self._admitted(request), request.path_params["word"]
        if isinstance(actor, Response) or word not in _WORDS:
            await drop_body(request)
            return actor if isinstance(actor, Response) else nothing_here()
        body = await self._admission.body(request, "a decision")
        if isinstance(body, Response):
            return body
        try:
            said = _read(body, _WORDS[word])
        except ValueError as error:
            return refused(400, str(error))
        return await self._decided(word, request.path_params["id"], said, actor)

    def _admitted(self, request: Request) -> str | Response:
        """Give who asks, or refuse."""
        many = self._admission.too_many(request)
        if many is not None:
            return many
        headers = {"WWW-Authenticate": "Bearer"}
        return self._authenticate(request) or refused(401, "show who you are", headers)

    async def _of(self, actor: str) -> Approvals:
        return (await self._reach()).approvals.on_behalf_of(actor)

    async def _decided(
        self, word: str, id_: str, said: Mapping[str, object], actor: str
    ) -> Response:
        approvals = await self._of(actor)
        verb = cast("Callable[..., Awaitable[ApprovalEntry]]", getattr(approvals, word))
        needed = {"to": ""} if word == "escalate" else {}
        try:
            return JSONResponse(_shown(await verb(id_, **{**needed, **said})))
        except FlowstoneError as error:
            for kind, status in _STATUSES:
                if isinstance(error, kind):
                    return refused(status, error.message)
            raise


def _read(body: bytes, words: Mapping[str, type]) -> dict[str, object]:
    """Read what is said with a decision.

    Raises:
        ValueError: it is not what this decision takes.
    """
    found = json.loads(body or b"{}")
    if not isinstance(found, dict):
        raise ValueError("a decision is a JSON object")  # noqa: TRY004
    said = cast("dict[str, object]", found)
    for word, value in said.items():
        if word not in words or value is None or not isinstance(value, words[word]):
            known = ", ".join(words) or "nothing"
            shown = json.dumps({word: value})
            raise ValueError(f"{shown} is not what this takes; it takes {known}")  # noqa: EM102
    return said


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
