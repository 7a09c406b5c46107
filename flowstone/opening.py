"""Open an app: check what it runs on, build it, hand out the client."""

from __future__ import annotations

import asyncio
import secrets as randomness
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
)
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from flowstone.client import Client
from flowstone.client_sync import SyncClient
from flowstone.core.asset import AnyAsset
from flowstone.core.errors import ConfigurationError
from flowstone.core.policy import Packs
from flowstone.core.problems import Problems
from flowstone.core.sensor import untold
from flowstone.engines.local import LocalBackend
from flowstone.io.base import Configured, IOManager, lives_in_process
from flowstone.io.memory import MemoryIO
from flowstone.io.postgres import PostgresIO
from flowstone.io.sqlite import SqliteIO
from flowstone.ledger.sql import SqlLedger
from flowstone.lodging import bury, folder_at, sign_of_life
from flowstone.portal import SyncOpening
from flowstone.resources import Patience
from flowstone.settings import Settings
from flowstone.steps.toolbox import Callbacks, Toolbox

if TYPE_CHECKING:
    from temporalio.client import Client as TemporalClient

    from flowstone.app import Flowstone

__all__ = [
    "At",
    "Opening",
    "close_toolbox",
    "local_toolbox",
    "open_connected",
    "open_local",
    "reach",
    "shared_toolbox",
    "unchecked_toolbox",
]

PackChoice = bool | str
_KEYS = "FLOWSTONE_SIGNING_KEYS"


@dataclass(frozen=True, slots=True, kw_only=True)
class At:
    """Where Temporal is, as far as the caller says."""

    address: str | None = None
    namespace: str | None = None
    profile: str | None = None


class Opening:
    """An app about to be opened: `async with` it, `await` it, or take its `.sync()`."""

    def __init__(
        self, opened: Callable[[], AbstractAsyncContextManager[Client]]
    ) -> None:
        self._opened = opened
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Client:
        client = await self._stack.enter_async_context(self._opened())
        client.closes(self._stack)
        return client

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def __await__(self) -> Generator[object, None, Client]:
        return self.__aenter__().__await__()

    def sync(self) -> SyncOpening[SyncClient]:
        """Open it for code that does not use asyncio."""
        return SyncOpening(self, SyncClient)


def open_local(
    app: Flowstone,
    path: str | Path | None,
    *,
    resources: Mapping[str, object],
    packs: PackChoice,
    actor: str,
) -> Opening:
    """Prepare to open in this process."""
    return Opening(lambda: _local(app, path, resources, _mode(packs), actor))


def open_connected(app: Flowstone, at: At, *, packs: PackChoice, actor: str) -> Opening:
    """Prepare to open on Temporal."""
    return Opening(lambda: _connected(app, at, _mode(packs), actor))


# --- in this process ----------------------------------------------------------------


@asynccontextmanager
async def _local(
    app: Flowstone,
    path: str | Path | None,
    resources: Mapping[str, object],
    packs: Packs | None,
    actor: str,
) -> AsyncGenerator[Client]:
    settings = Settings.from_env()
    with folder_at(path) as folder:
        toolbox = await asyncio.to_thread(
            local_toolbox, app, folder, settings, resources, kept=bool(path)
        )
        with sign_of_life(folder) as owner:
            await asyncio.to_thread(bury, toolbox, folder, owner)
            backend = LocalBackend(toolbox, owner)
            client = Client(
                toolbox,
                backend,
                actor=actor or settings.actor,
                packs=packs or settings.packs,
                budget=settings.budget,
            )
            try:
                await backend.deliver()
                yield client
            finally:
                await backend.close()
                await asyncio.to_thread(close_toolbox, toolbox)


def local_toolbox(
    app: Flowstone,
    folder: Path,
    settings: Settings,
    resources: Mapping[str, object],
    *,
    kept: bool,
) -> Toolbox:
    """Build what steps hold in this process, its data in a folder."""
    io: dict[str, IOManager] = dict(app.io)
    if "default" not in io:
        io["default"] = SqliteIO(folder / "values.db") if kept else MemoryIO()
    problems = _untold(app, io)
    if problems:
        raise ConfigurationError(problems=problems)
    ledger = app.ledger or SqlLedger(f"sqlite:///{folder / 'ledger.db'}")
    ledger.upgrade()
    keys = dict((app.secrets or settings.signing_keys).signing_keys)
    if not keys:
        secret = ledger.secret("signing", randomness.token_urlsafe(32))
        keys = {"local": secret.encode()}
    return Toolbox(
        name=app.name,
        pipeline=app.pipeline,
        ledger=ledger,
        io=io,
        keys=keys,
        declared=resources,
        patience=_patience(settings),
        callbacks=_callbacks(settings),
        schedules={schedule.name: schedule for schedule in app.schedules},
        sensors={sensor.name: sensor for sensor in app.sensors},
    )


def _patience(settings: Settings) -> Patience:
    return Patience(
        attempts=settings.resource_attempts,
        seconds=settings.resource_timeout.total_seconds(),
    )


def _callbacks(settings: Settings) -> Callbacks:
    return Callbacks(
        url=settings.callback_url or "",
        max_bytes=settings.callback_max_bytes,
        kept=settings.callback_kept,
    )


def close_toolbox(toolbox: Toolbox) -> None:
    """Let go of every connection; what the app brought connects again when used."""
    toolbox.close()
    toolbox.ledger.close()
    for manager in toolbox.io.values():
        close = getattr(manager, "close", None)
        if callable(close):
            close()


# --- on Temporal --------------------------------------------------------------------


@asynccontextmanager
async def _connected(
    app: Flowstone, at: At, packs: Packs | None, actor: str
) -> AsyncGenerator[Client]:
    # Whoever stays in one process need not load Temporal.
    from flowstone.engines.temporal.backend import TemporalBackend  # noqa: PLC0415

    toolbox, temporal = await reach(app, at)
    settings = Settings.from_env()
    try:
        backend = TemporalBackend(toolbox, temporal)
        client = Client(
            toolbox,
            backend,
            actor=actor or settings.actor,
            packs=packs or settings.packs,
            budget=settings.budget,
        )
        try:
            yield client
        finally:
            await backend.close()
    finally:
        await asyncio.to_thread(close_toolbox, toolbox)


async def reach(app: Flowstone, at: At) -> tuple[Toolbox, TemporalClient]:
    """Build what an app holds on Temporal, and find all of it in order.

    Raises:
        ConfigurationError: all that is wrong: first with what was said, then with
            what does not answer.
    """
    # As in _connected.
    from flowstone.engines.temporal import connect  # noqa: PLC0415

    problems = Problems()
    toolbox = problems.of(lambda: unchecked_toolbox(app))
    connection = problems.of(
        lambda: connect.find_connection(at.address, at.namespace, at.profile)
    )
    problems.refuse()
    assert toolbox is not None
    assert connection is not None
    ledger, temporal = await asyncio.gather(
        asyncio.to_thread(toolbox.ledger.check),
        connect.enter(connection),
        return_exceptions=True,
    )
    for found in (ledger, temporal):
        if isinstance(found, ConfigurationError):
            problems.add(found.problems)
        elif isinstance(found, BaseException):
            raise found
    if problems.found:
        await asyncio.to_thread(close_toolbox, toolbox)
    problems.refuse()
    return toolbox, cast("TemporalClient", temporal)


def shared_toolbox(app: Flowstone) -> Toolbox:
    """Build what clients and workers on several machines hold alike.

    Raises:
        ConfigurationError: something of it lives in one process, or does not answer;
            all problems at once.
    """
    toolbox = unchecked_toolbox(app)
    _check(toolbox.ledger)
    return toolbox


def unchecked_toolbox(app: Flowstone) -> Toolbox:
    """Build the same without asking anything whether it answers.

    Raises:
        ConfigurationError: something of it lives in one process, or a setting cannot
            be; all problems at once.
    """
    problems = Problems()
    settings, wrong = Settings.read()
    problems.add(wrong)
    ledger = problems.of(lambda: _shared_ledger(app, settings))
    io = problems.of(lambda: _shared_managers(app, settings, ledger)) or {}
    problems.add([*_local_managers(app, io), *_untold(app, io)])
    keys = dict((app.secrets or settings.signing_keys).signing_keys)
    if not any(_KEYS in problem for problem in problems.found):
        problems.add(_unsigned(app, keys))
    problems.refuse()
    assert ledger is not None
    return Toolbox(
        name=app.name,
        pipeline=app.pipeline,
        ledger=ledger,
        io=io,
        keys=keys,
        declared=app.resources,
        patience=_patience(settings),
        callbacks=_callbacks(settings),
        schedules={schedule.name: schedule for schedule in app.schedules},
        sensors={sensor.name: sensor for sensor in app.sensors},
    )


def _shared_ledger(app: Flowstone, settings: Settings) -> SqlLedger:
    ledger = app.ledger
    if ledger is None and settings.ledger_url is not None:
        ledger = SqlLedger(settings.ledger_url)
    if ledger is None:
        problem = (
            "The app has no ledger: give ledger=SqlLedger(url), or set "
            "FLOWSTONE_LEDGER_URL to a Postgres."
        )
        raise ConfigurationError(problems=[problem])
    if ledger.in_process:
        problem = (
            f"The ledger at {ledger.database.where()} is a file that serves one "
            "process: give a Postgres URL, or set FLOWSTONE_LEDGER_URL."
        )
        raise ConfigurationError(problems=[problem])
    return ledger


def _shared_managers(
    app: Flowstone, settings: Settings, ledger: SqlLedger | None
) -> dict[str, IOManager]:
    """Give the app's managers; what is left out keeps values in Postgres."""
    io: dict[str, IOManager] = dict(app.io)
    if "default" not in io and ledger is not None:
        io["default"] = PostgresIO(settings.ledger_url or ledger.url)
    return io


def _unsigned(app: Flowstone, keys: Mapping[str, bytes]) -> list[str]:
    """Name an asset that hands out tokens which nothing would sign."""
    gated = [a.name for a in app.pipeline if _hands_out(a)]
    if keys or not gated:
        return []
    return [
        f"{gated[0]!r} waits for signals, and nothing signs their tokens: set "
        f"{_KEYS} to `id:secret`, the same for every process."
    ]


def _hands_out(asset: AnyAsset) -> bool:
    """Tell whether an asset says that it waits for signals."""
    return bool({"on_signal", "on_timeout"} & set(asset.companions)) or (
        asset.hints.signals
    )


def _check(ledger: SqlLedger) -> None:
    try:
        ledger.check()
    except BaseException:
        ledger.close()
        raise


def _local_managers(app: Flowstone, io: Mapping[str, IOManager]) -> list[str]:
    """Name the managers in use whose values no other process could read."""
    used = {a.options.io for a in app.pipeline}
    return [
        f"The IO manager {name!r} ({type(manager).__name__}) keeps its values in one "
        f"process: give io={{{name!r}: PostgresIO(url)}}, or another that is shared."
        for name, manager in io.items()
        if name in used and lives_in_process(manager)
    ]


def _untold(app: Flowstone, io: Mapping[str, IOManager]) -> list[str]:
    """Collect what the managers in use, and the sensors, have not been told."""
    used = {a.options.io for a in app.pipeline}
    return untold(app.sensors) + [
        f"The IO manager {name!r}: {problem}"
        for name, manager in io.items()
        if name in used and isinstance(manager, Configured)
        for problem in manager.problems()
    ]


def _mode(packs: PackChoice) -> Packs | None:
    if packs is True:
        return None
    if packs is False:
        return "off"
    if packs not in {"auto", "off", "whole"}:
        raise ConfigurationError(
            problems=[f"packs={packs!r}: use True, False, 'auto', 'off' or 'whole'."]
        )
    return cast("Packs", packs)
