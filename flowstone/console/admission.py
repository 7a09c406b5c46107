"""What is asked of every request before anybody looks at what it says."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from flowstone.console.bodies import TooLarge, TooSlow, drop_body, read_body
from flowstone.console.limiting import Limiter
from flowstone.console.options import Options
from flowstone.console.sources import limited_as, source_of

__all__ = ["Admission", "nothing_here", "refused"]

_JSON = "application/json"


def nothing_here() -> Response:
    """Say that there is nothing, whatever the reason."""
    return refused(404, "not found")


def refused(
    status: int, said: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Say what is wrong."""
    return JSONResponse({"error": said}, status, headers=dict(headers or {}))


class Admission:
    """Lets requests in that are few enough, small enough, and of JSON.

    JSON alone is what no page of another site can post with somebody's session.

    Args:
        options: how those who ask are treated.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._limiter = Limiter(options.rate)

    def source(self, request: Request) -> str:
        """Say where a request comes from."""
        peer = request.client.host if request.client else ""
        forwarded = request.headers.getlist("x-forwarded-for")
        return source_of(peer, forwarded, self._options.proxies)

    def too_many(self, request: Request) -> Response | None:
        """Refuse a request of a source that has made too many."""
        wait = self._limiter.take(limited_as(self.source(request)))
        if not wait:
            return None
        headers = {"Retry-After": str(wait)}
        return refused(429, "too many requests from this source", headers)

    async def body(self, request: Request, what: str) -> bytes | Response:
        """Read what a request says, or refuse it.

        Args:
            request: the request.
            what: what it is to be, for whoever is refused.
        """
        wrong = self._wrong(request, what)
        if wrong is not None:
            await drop_body(request)
            return wrong
        try:
            return await read_body(request, self._options.max_bytes)
        except TooLarge:
            await drop_body(request)
            return self._too_large(what)
        except TooSlow:
            return refused(408, f"{what} did not come in time")
        except ClientDisconnect:
            return Response(status_code=400)

    def _wrong(self, request: Request, what: str) -> Response | None:
        kind = request.headers.get("content-type", "").partition(";")[0]
        coded = request.headers.get("content-encoding", "identity").strip().lower()
        if kind.strip().lower() != _JSON or coded != "identity":
            said = f"{what} is {_JSON}, and not compressed"
            return refused(415, said, {"Accept": _JSON})
        size = request.headers.get("content-length", "0")
        if size.isdecimal() and int(size) > self._options.max_bytes:
            return self._too_large(what)
        return None

    def _too_large(self, what: str) -> Response:
        return refused(413, f"{what} has at most {self._options.max_bytes} bytes")
