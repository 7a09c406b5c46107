"""Serve the endpoint with uvicorn: where it is told, until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager

import uvicorn

from flowstone.app import Flowstone
from flowstone.client import Client
from flowstone.console.application import application
from flowstone.console.options import Options
from flowstone.core.errors import ConfigurationError
from flowstone.settings import Settings

__all__ = ["serve_console", "serving"]

_GRACE = 25
_CONNECTIONS = 2048


@asynccontextmanager
async def serving(
    app: Flowstone | Client,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    options: Options | None = None,
) -> AsyncGenerator[str]:
    """Serve an app's endpoint within this process; give its address.

    Args:
        app: the app, or its client.
        host: where to listen.
        port: the port; 0 takes one that is free.
        options: how those who ask are treated; by default as the settings say.

    Raises:
        ConfigurationError: the port is in use, or a setting cannot be.
    """
    async with _reached(app) as stone:
        with _listening(host, port) as listener:
            server = _Server(stone, options)
            task = asyncio.ensure_future(server.serve(sockets=[listener]))
            try:
                await server.is_up(task)
                yield _address(listener)
            finally:
                server.should_exit = True
                await task


async def serve_console(
    app: Flowstone | Client,
    *,
    host: str,
    port: int,
    on_started: Callable[[str], None],
) -> None:
    """Serve until SIGTERM or SIGINT; what has come by then is answered.

    Raises:
        ConfigurationError: what it needs is missing or does not answer.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stopper(stop))
    async with serving(app, host=host, port=port) as where:
        on_started(where)
        await stop.wait()


def _stopper(stop: asyncio.Event) -> Callable[[], None]:
    def asked() -> None:
        if stop.is_set():
            raise SystemExit(130)
        stop.set()

    return asked


@asynccontextmanager
async def _reached(app: Flowstone | Client) -> AsyncGenerator[Client]:
    if isinstance(app, Client):
        yield app
        return
    async with app.connect() as stone:
        yield stone


@contextmanager
def _listening(host: str, port: int) -> Generator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        why = f"The endpoint cannot listen on {host}, port {port}: {error.strerror}."
        raise ConfigurationError(
            problems=[f"{why} Give another --host or --port."]
        ) from error
    with listener:
        yield listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Server(uvicorn.Server):
    """A server of one client's endpoint; whoever starts it sees to signals.

    Its own log of requests would have the tokens in it.
    """

    def __init__(self, stone: Client, options: Options | None) -> None:
        told = options or Options.from_settings(Settings.from_env())
        super().__init__(
            uvicorn.Config(
                application(stone, told),
                access_log=False,
                lifespan="off",
                limit_concurrency=_CONNECTIONS,
                log_config=None,
                log_level="warning",
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=_GRACE,
            )
        )
        self._up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        self._up.set()

    async def is_up(self, task: asyncio.Task[None]) -> None:
        """Wait until it listens; raise what ended it before."""
        waiting = asyncio.ensure_future(self._up.wait())
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            waiting.cancel()
            await task

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave signals alone."""
        yield
