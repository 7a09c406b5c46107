"""What probes of a worker are answered: that it lives, and whether it is ready."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING

from flowstone.core.health import Component, Health
from flowstone.core.text import error_line
from flowstone.engines.temporal.health import temporal_health, workers_health
from flowstone.engines.temporal.ids import task_queue
from flowstone.health import check_ledger, check_resources
from flowstone.steps.toolbox import Toolbox

if TYPE_CHECKING:
    from temporalio.client import Client

__all__ = ["Readiness", "probed"]

_FRESH = 2.0
"""Seconds for which an answer is given again: whoever asks more often learns no more."""

_SECONDS = 20.0


class Readiness:
    """Whether a worker is ready: it polls, and what it needs answers.

    Resources count once they are open: probing opens none.

    Args:
        toolbox: what its steps hold.
        client: connected to Temporal.
        serving: tells whether it takes work.
    """

    def __init__(
        self, toolbox: Toolbox, client: Client, serving: Callable[[], bool]
    ) -> None:
        self._toolbox = toolbox
        self._client = client
        self._serving = serving
        self._lock = asyncio.Lock()
        self._known: Health | None = None
        self._until = 0.0

    async def check(self) -> Health:
        """Ask everything, at once; what was found a moment ago is given again."""
        if not self._serving():
            return Health((_idle(self._client),))
        async with self._lock:
            if self._known is None or time.monotonic() >= self._until:
                self._known = await self._asked()
                self._until = time.monotonic() + _FRESH
            return self._known

    async def _asked(self) -> Health:
        queue = task_queue(self._toolbox.name)
        ledger, temporal, pollers, resources = await asyncio.gather(
            check_ledger(self._toolbox),
            temporal_health(self._client),
            workers_health(self._client, queue, self._client.identity),
            check_resources(self._toolbox, only_open=True),
        )
        return Health((ledger, temporal, pollers, *resources))


def _idle(client: Client) -> Component:
    return Component(
        kind="workers",
        name=client.identity,
        state="failing",
        problem="it does not take work: it starts, or it stops",
    )


@asynccontextmanager
async def probed(port: int | None, readiness: Readiness) -> AsyncGenerator[int | None]:
    """Answer `/healthz` (the process lives) and `/readyz`; give the port."""
    if port is None:
        yield None
        return
    loop = asyncio.get_running_loop()

    def ready() -> Health:
        asked: Future[Health] = asyncio.run_coroutine_threadsafe(
            readiness.check(), loop
        )
        try:
            return asked.result(timeout=_SECONDS)
        except BaseException as error:  # noqa: BLE001 - a probe is always answered
            asked.cancel()
            why = error_line(error)
            return Health((replace(_unknown(), problem=f"it cannot tell: {why}"),))

    server = ThreadingHTTPServer(("", port), _handler(ready))
    Thread(target=server.serve_forever, name="flowstone-health", daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def _unknown() -> Component:
    return Component(kind="workers", name="worker", state="failing")


def _handler(ready: Callable[[], Health]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/healthz":
                self._answer(200, {"alive": True})
            elif path == "/readyz":
                found = ready()
                data = {"ready": found.healthy, "components": _rows(found)}
                self._answer(200 if found.healthy else 503, data)
            else:
                self._answer(404, {"error": "ask /healthz or /readyz"})

        def _answer(self, status: int, data: object) -> None:
            body = json.dumps(data).encode() + b"\n"
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing: probes come every few seconds."""

    return Handler


def _rows(found: Health) -> list[dict[str, object]]:
    return [component.to_data() for component in found]
