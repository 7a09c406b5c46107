"""The plugin of pytest: fixtures for tests of assets, in this process and on Temporal.

It is there wherever Flowstone and pytest are installed; `-p no:flowstone` leaves it out.
Fixtures that are asynchronous need pytest-asyncio.
"""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, cast

import pytest

from flowstone import testing

if TYPE_CHECKING:
    from flowstone.app import Flowstone
    from flowstone.client import Client
    from flowstone.client_sync import SyncClient
    from flowstone.io import IOManager
    from flowstone.testing import Captured, Clock, Served, Servers

__all__ = [
    "captured_events",
    "clock",
    "flowstone_app",
    "flowstone_io",
    "flowstone_resources",
    "flowstone_served",
    "flowstone_servers",
    "pytest_addoption",
    "pytest_configure",
    "pytest_unconfigure",
    "stone",
    "sync_stone",
    "temporal_stone",
    "time_skipping_stone",
]

_INI = "flowstone_app"
_MARKER = (
    "flowstone(app): the app that the fixtures open: an app, a pipeline, some assets, "
    "or 'package.module:name'"
)
_STONES = ("stone", "sync_stone", "temporal_stone", "time_skipping_stone")
_SERVED = pytest.StashKey[bool]()
_SETTLE = 0.3
"""Seconds that Temporal's threads need: one that is late aborts the interpreter."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the setting that names the app of a whole suite."""
    parser.addini(
        _INI, "the app of tests that name none: package.module:name", default=""
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker that names the app of a test."""
    config.addinivalue_line("markers", _MARKER)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Let Temporal's threads settle, where a test has used it."""
    if config.stash.get(_SERVED, False) and "temporalio" in sys.modules:
        time.sleep(_SETTLE)


def _async_fixture(function: Callable[..., Any]) -> Any:
    """Declare an asynchronous fixture, or one that says what it lacks."""
    if find_spec("pytest_asyncio") is not None:
        return import_module("pytest_asyncio").fixture(function)

    def lacking() -> None:
        raise pytest.UsageError(
            f"The fixture {function.__name__!r} needs pytest-asyncio: install it, or "
            "use sync_stone."
        )

    lacking.__doc__ = function.__doc__
    return pytest.fixture(name=function.__name__)(lacking)


# --- which app ----------------------------------------------------------------------


@pytest.fixture
def flowstone_app(request: pytest.FixtureRequest) -> Flowstone:
    """Give the app that the other fixtures open.

    It is what `@pytest.mark.flowstone(...)` says: an app, a pipeline, some assets, or
    `"package.module:name"`; else what the setting `flowstone_app` says. Override it in
    a `conftest.py` to build one.
    """
    node = cast("pytest.Item", request.node)  # pytest gives it no type
    marker = node.get_closest_marker("flowstone")
    given: tuple[Any, ...] = marker.args if marker is not None else ()
    given = given or tuple(filter(None, [request.config.getini(_INI)]))
    if not given:
        raise pytest.UsageError(
            "Which app is the test about? Mark it with @pytest.mark.flowstone(app), "
            "set flowstone_app = 'package.module:name' in pytest's configuration, or "
            "override the fixture flowstone_app."
        )
    return testing.app_of(*given)


@pytest.fixture
def flowstone_io() -> Mapping[str, IOManager]:
    """Give the IO managers that tests use, by name; override it to give some.

    Those that it does not name keep their values in memory, and on Temporal in the
    session's Postgres: no test touches the stores that the app names.
    """
    return {}


@pytest.fixture
def flowstone_resources() -> Mapping[str, object]:
    """Give what replaces resources of the app, by name; override it to give some.

    Those that it does not name are the app's own, opened where an asset asks for them.
    """
    return {}


# --- in this process ----------------------------------------------------------------


@_async_fixture
async def stone(
    flowstone_app: Flowstone,
    flowstone_io: Mapping[str, IOManager],
    flowstone_resources: Mapping[str, object],
) -> AsyncGenerator[Client]:
    """Open the app in this process, without any server; nothing of it is kept.

    Its ledger is a temporary file, whatever the app names, and its values are in
    memory: see `flowstone_io`.
    """
    twin = testing.local_twin(
        flowstone_app, flowstone_io, resources=flowstone_resources
    )
    async with twin.local() as client:
        yield client


@pytest.fixture
def sync_stone(
    flowstone_app: Flowstone,
    flowstone_io: Mapping[str, IOManager],
    flowstone_resources: Mapping[str, object],
) -> Generator[SyncClient]:
    """Open the app as `stone` does, for a test that does not use asyncio."""
    twin = testing.local_twin(
        flowstone_app, flowstone_io, resources=flowstone_resources
    )
    with twin.local().sync() as client:
        yield client


@pytest.fixture
def captured_events(request: pytest.FixtureRequest) -> Generator[Captured]:
    """Capture the events of the test's own client, or of this process if it has none.

    See `capture_events`, which does it for a block.
    """
    mine = [name for name in _STONES if name in request.fixturenames]
    client = request.getfixturevalue(mine[0]) if mine else None
    with testing.capture_events(cast("Client | None", client)) as captured:
        yield captured


# --- on Temporal --------------------------------------------------------------------


@pytest.fixture(scope="session")
def flowstone_servers() -> Generator[Servers]:
    """Start a Temporal and a Postgres from their wheels, for the whole session.

    Override it to give servers of your own: `Servers(temporal_address=...,
    ledger_url=...)`, with the ledger's tables made.
    """
    with testing.start_servers() as servers:
        yield servers


@_async_fixture
async def flowstone_served(
    request: pytest.FixtureRequest,
    flowstone_app: Flowstone,
    flowstone_io: Mapping[str, IOManager],
    flowstone_resources: Mapping[str, object],
    flowstone_servers: Servers,
) -> AsyncGenerator[Served]:
    """Serve the app with a worker in this process, under a name of the test's own."""
    request.config.stash[_SERVED] = True
    twin = flowstone_servers.twin(
        flowstone_app, flowstone_io, resources=flowstone_resources
    )
    async with testing.open_served(twin, flowstone_servers) as served:
        yield served


@pytest.fixture
def temporal_stone(flowstone_served: Served) -> Client:
    """Open the app on a real Temporal and a real Postgres, served in this process.

    The servers are the session's, the app's name is the test's own: tests do not meet.
    """
    return flowstone_served.stone


@pytest.fixture
def time_skipping_stone(flowstone_served: Served) -> Client:
    """Open the app as `temporal_stone` does, for a test that turns its `clock`.

    Let a test have one run: each run has a clock of its own.
    """
    return flowstone_served.stone


@pytest.fixture
def clock(flowstone_served: Served) -> Clock:
    """Give the clock of `time_skipping_stone`: `await clock.advance(timedelta(days=30))`."""
    return testing.Clock(flowstone_served)
