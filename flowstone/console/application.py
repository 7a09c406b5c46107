"""The endpoint as an ASGI application, to serve or to mount in another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from flowstone.app import Flowstone
from flowstone.client import Client
from flowstone.console.admission import Admission, nothing_here
from flowstone.console.callbacks import Callbacks
from flowstone.console.decisions import Authenticator, Decisions, bearer
from flowstone.console.options import Options
from flowstone.core.token import CALLBACKS
from flowstone.settings import Settings

__all__ = ["application"]

_SECONDS = 10.0


def application(
    app: Flowstone | Client,
    options: Options | None = None,
    *,
    authenticator: Authenticator | None = None,
) -> Starlette:
    """Give the endpoint of an app.

    Args:
        app: the app, which is connected when it starts, or is asked for the first
            time; or its client, which stays whoever's it is.
        options: how those who ask are treated; by default as the settings say.
        authenticator: says who decides; by default by the tokens of the options.
            Without either, no decisions are taken here.

    Raises:
        ConfigurationError: a setting cannot be.
    """
    told = options or Options.from_settings(Settings.from_env())
    stone = _Stone(app)
    return Starlette(
        routes=_routes(stone, told, authenticator),
        lifespan=stone.lifespan,
        exception_handlers={404: _nothing, 405: _another_method, 500: _broken},
    )


def _routes(
    stone: _Stone, options: Options, authenticator: Authenticator | None
) -> list[BaseRoute]:
    """Give what is answered, and by whom."""
    admission = Admission(options)
    callbacks = Callbacks(stone.reach, options, admission)
    probes = _Probes(stone)
    routes: list[BaseRoute] = [
        Route(f"{CALLBACKS}/{{token}}", callbacks.take, methods=["POST"]),
        Route("/health/live", probes.live, methods=["GET"]),
        Route("/health/ready", probes.ready, methods=["GET"]),
    ]
    known = authenticator or (bearer(options.actors) if options.actors else None)
    if known is not None:
        decisions = Decisions(stone.reach, admission, known)
        routes += [
            Route("/approvals", decisions.list, methods=["GET"]),
            Route("/approvals/{id}/{word}", decisions.decide, methods=["POST"]),
        ]
    return routes


class _Stone:
    """The client, opened when it is first needed."""

    def __init__(self, app: Flowstone | Client) -> None:
        self._client = app if isinstance(app, Client) else None
        self._app = app if isinstance(app, Flowstone) else None
        self._lock = asyncio.Lock()

    async def reach(self) -> Client:
        """Give it."""
        if self._client is None:
            async with self._lock:
                if self._client is None:
                    assert self._app is not None
                    self._client = await self._app.connect()
        return self._client

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncGenerator[None]:
        """Connect at the start, and let go at the end; a client is its owner's."""
        client = await self.reach()
        try:
            yield
        finally:
            if self._app is not None:
                self._client = None
                await client.close()


class _Probes:
    """Whether it lives, and whether it could take an answer."""

    def __init__(self, stone: _Stone) -> None:
        self._stone = stone

    async def live(self, _: Request) -> Response:
        """Say that the process lives."""
        return JSONResponse({"alive": True})

    async def ready(self, _: Request) -> Response:
        """Say whether the ledger answers: that is all that an answer needs."""
        try:
            async with asyncio.timeout(_SECONDS):
                stone = await self._stone.reach()
                found = await stone.health(ledger_only=True)
        except Exception:  # noqa: BLE001 - a probe is always answered
            return JSONResponse({"ready": False}, 503)
        data = {"ready": found.healthy, "components": [c.to_data() for c in found]}
        return JSONResponse(data, 200 if found.healthy else 503)


async def _nothing(_: Request, __: Exception) -> Response:
    return nothing_here()


async def _another_method(_: Request, error: Exception) -> Response:
    headers = getattr(error, "headers", None)
    return JSONResponse({"error": "method not allowed"}, 405, headers=headers)


async def _broken(_: Request, __: Exception) -> Response:
    return JSONResponse({"error": "it could not be done; try again"}, 500)
