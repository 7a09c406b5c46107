"""Real servers for tests: one of each for a session, an app of its own for each test."""

from __future__ import annotations

import asyncio
import copy
import secrets
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta

from temporalio.client import Client as TemporalClient

from flowstone.app import Flowstone
from flowstone.client import Client
from flowstone.engines.temporal.backend import TemporalBackend
from flowstone.engines.temporal.connect import connect_client
from flowstone.engines.temporal.worker import WorkerOptions, serve
from flowstone.io.base import IOManager
from flowstone.io.postgres import PostgresIO
from flowstone.ledger.sql import SqlLedger
from flowstone.opening import close_toolbox, shared_toolbox
from flowstone.resources import overridden
from flowstone.settings import Secrets, Settings
from flowstone.stack import Stack
from flowstone.steps.toolbox import Toolbox

__all__ = ["Served", "Servers", "open_served", "start_servers"]

_READY = 30.0
_OPTIONS = WorkerOptions(drain=timedelta(seconds=5))
_KEYS = Secrets({"test": b"a secret of the testing kit"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """Where Temporal and the ledger's Postgres are.

    Attributes:
        temporal_address: host and port.
        ledger_url: of a Postgres with the ledger's tables.
    """

    temporal_address: str
    ledger_url: str

    def environment(self) -> Mapping[str, str]:
        """Give the variables by which a client or a worker process finds them."""
        return {
            "TEMPORAL_ADDRESS": self.temporal_address,
            "FLOWSTONE_LEDGER_URL": self.ledger_url,
            "FLOWSTONE_SIGNING_KEYS": "test:a secret of the testing kit",
        }

    def twin(
        self,
        app: Flowstone,
        io: Mapping[str, IOManager],
        *,
        resources: Mapping[str, object] | None = None,
    ) -> Flowstone:
        """Give the same app under a name that nobody else has, on these servers.

        Two tests of one app do not meet: the name is part of every id and key.

        Args:
            app: the app.
            io: managers to use, by name; all others are on the ledger's Postgres.
            resources: what replaces some of the app's.

        Raises:
            ConfigurationError: a resource replaces none, or does not fit its assets.
        """
        twin = copy.copy(app)
        twin.name = f"{app.name}-{secrets.token_hex(4)}"
        twin.ledger = SqlLedger(self.ledger_url)
        twin.secrets = app.secrets or _KEYS
        twin.resources = overridden(app.pipeline, app.resources, resources)
        twin.io = {name: PostgresIO(self.ledger_url) for name in app.io} | dict(io)
        return twin


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """An app that is served in this process, and its client."""

    stone: Client
    temporal: TemporalClient
    toolbox: Toolbox


@contextmanager
def start_servers() -> Generator[Servers]:
    """Start Temporal and Postgres from their wheels (the extra `embedded`)."""
    with Stack(ui=False) as stack:
        ledger = SqlLedger(stack.ledger_url)
        try:
            ledger.upgrade()
        finally:
            ledger.close()
        yield Servers(
            temporal_address=stack.temporal_address, ledger_url=stack.ledger_url
        )


@asynccontextmanager
async def open_served(app: Flowstone, servers: Servers) -> AsyncGenerator[Served]:
    """Serve an app with a worker in this process, and connect to it."""
    toolbox = await asyncio.to_thread(shared_toolbox, app)
    try:
        temporal = await connect_client(servers.temporal_address)
        async with _worker(toolbox, temporal):
            settings = Settings.from_env({})
            stone = Client(
                toolbox,
                TemporalBackend(toolbox, temporal),
                actor="test",
                budget=settings.budget,
            )
            yield Served(stone=stone, temporal=temporal, toolbox=toolbox)
    finally:
        await asyncio.to_thread(close_toolbox, toolbox)


@asynccontextmanager
async def _worker(toolbox: Toolbox, temporal: TemporalClient) -> AsyncGenerator[None]:
    started, stop = asyncio.Event(), asyncio.Event()
    serving = asyncio.ensure_future(
        serve(toolbox, temporal, _OPTIONS, started=started, stop=stop)
    )
    try:
        await asyncio.wait_for(started.wait(), _READY)
        yield
    finally:
        stop.set()
        await asyncio.wait_for(serving, _OPTIONS.drain.total_seconds() + _READY)
