"""Open an app: check what it runs on, build it, hand out the client."""

from __future__ import annotations

import asyncio
import fcntl
import secrets as randomness
import shutil
import tempfile
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from pathlib import Path
from typing import TYPE_CHECKING, cast

from flowstone.client import Client
from flowstone.client_sync import SyncClient
from flowstone.core.errors import ConfigurationError
from flowstone.core.policy import Packs
from flowstone.engines.local import LocalBackend
from flowstone.io.base import Configured, IOManager, lives_in_process
from flowstone.io.memory import MemoryIO
from flowstone.io.postgres import PostgresIO
from flowstone.io.sqlite import SqliteIO
from flowstone.ledger.ids import new_id
from flowstone.ledger.sql import SqlLedger
from flowstone.portal import SyncOpening
from flowstone.settings import Secrets, Settings
from flowstone.steps.toolbox import Toolbox

if TYPE_CHECKING:
    from flowstone.app import Flowstone

__all__ = [
    "Opening",
    "close_toolbox",
    "open_connected",
    "open_local",
    "shared_toolbox",
]

PackChoice = bool | str


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
    app: Flowstone, path: str | Path | None, *, packs: PackChoice, actor: str
) -> Opening:
    """Prepare to open in this process."""
    return Opening(lambda: _local(app, path, _mode(packs), actor))


def open_connected(
    app: Flowstone,
    address: str | None,
    *,
    namespace: str | None,
    packs: PackChoice,
    actor: str,
) -> Opening:
    """Prepare to open on Temporal."""
    return Opening(lambda: _connected(app, address, namespace, _mode(packs), actor))


# --- in this process ----------------------------------------------------------------


@asynccontextmanager
async def _local(
    app: Flowstone, path: str | Path | None, packs: Packs | None, actor: str
) -> AsyncGenerator[Client]:
    settings = Settings.from_env()
    with _folder(path) as folder:
        toolbox = await asyncio.to_thread(_local_toolbox, app, folder, bool(path))
        with _sign_of_life(folder) as owner:
            await asyncio.to_thread(_bury, toolbox, folder, owner)
            backend = LocalBackend(toolbox, owner)
            client = Client(
                toolbox,
                backend,
                actor=actor or settings.actor,
                packs=packs or cast("Packs", settings.packs),
                budget=settings.budget,
            )
            try:
                yield client
            finally:
                await backend.close()
                await asyncio.to_thread(close_toolbox, toolbox)


def _local_toolbox(app: Flowstone, folder: Path, kept: bool) -> Toolbox:
    ledger = app.ledger or SqlLedger(f"sqlite:///{folder / 'ledger.db'}")
    ledger.upgrade()
    io: dict[str, IOManager] = dict(app.io)
    if "default" not in io:
        io["default"] = SqliteIO(folder / "values.db") if kept else MemoryIO()
    problems = _untold(app, io)
    if problems:
        raise ConfigurationError(problems=problems)
    keys = dict((app.secrets or Secrets.from_env()).signing_keys)
    if not keys:
        secret = ledger.secret("signing", randomness.token_urlsafe(32))
        keys = {"local": secret.encode()}
    return Toolbox(
        name=app.name, pipeline=app.pipeline, ledger=ledger, io=io, keys=keys
    )


@contextmanager
def _folder(path: str | Path | None) -> Generator[Path]:
    if path is not None:
        folder = Path(path).expanduser().resolve()
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        return
    folder = Path(tempfile.mkdtemp(prefix="flowstone-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _sign_of_life(folder: Path) -> Generator[str]:
    """Hold a lock that ends with this process, whatever ends it."""
    owner = new_id()
    alive = folder / "alive"
    alive.mkdir(exist_ok=True)
    file = alive / owner
    with file.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        try:
            yield owner
        finally:
            file.unlink(missing_ok=True)


def _bury(toolbox: Toolbox, folder: Path, owner: str) -> None:
    """End the runs of processes that are gone: what waited there is abandoned."""
    for run in toolbox.ledger.outbox.live(toolbox.name):
        if run.owner and run.owner != owner and _is_dead(folder / "alive" / run.owner):
            toolbox.ledger.runs.end(run, "terminated", reason="its process ended")


def _is_dead(file: Path) -> bool:
    try:
        with file.open() as held:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.unlink(missing_ok=True)
            return True
    except FileNotFoundError:
        return True
    except OSError:
        return False


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
    app: Flowstone,
    address: str | None,
    namespace: str | None,
    packs: Packs | None,
    actor: str,
) -> AsyncGenerator[Client]:
    # Whoever stays in one process need not load Temporal.
    from flowstone.engines.temporal.backend import TemporalBackend  # noqa: PLC0415

    settings = Settings.from_env()
    toolbox = await asyncio.to_thread(shared_toolbox, app)
    try:
        backend = await TemporalBackend.connect(toolbox, address, namespace)
        client = Client(
            toolbox,
            backend,
            actor=actor or settings.actor,
            packs=packs or cast("Packs", settings.packs),
            budget=settings.budget,
        )
        try:
            yield client
        finally:
            await backend.close()
    finally:
        await asyncio.to_thread(close_toolbox, toolbox)


def shared_toolbox(app: Flowstone) -> Toolbox:
    """Build what clients and workers on several machines hold alike.

    Raises:
        ConfigurationError: something of it lives in one process, or does not answer;
            all problems at once.
    """
    settings = Settings.from_env()
    problems: list[str] = []
    ledger = app.ledger
    if ledger is None and settings.ledger_url is not None:
        ledger = SqlLedger(settings.ledger_url)
    if ledger is None:
        problems.append(
            "The app has no ledger: give ledger=SqlLedger(url), or set "
            "FLOWSTONE_LEDGER_URL to a Postgres."
        )
    elif ledger.in_process:
        problems.append(
            f"The ledger at {ledger.database.where()} is a file that serves one "
            "process: give a Postgres URL, or set FLOWSTONE_LEDGER_URL."
        )
    io: dict[str, IOManager] = dict(app.io)
    if "default" not in io and settings.ledger_url is not None:
        io["default"] = PostgresIO(settings.ledger_url)
    if "default" not in io and ledger is not None and not ledger.in_process:
        io["default"] = PostgresIO(ledger.url)
    problems += _local_managers(app, io) + _untold(app, io)
    keys = dict((app.secrets or Secrets.from_env()).signing_keys)
    gated = [a.name for a in app.pipeline if "on_signal" in a.companions]
    if gated and not keys:
        problems.append(
            f"{gated[0]!r} waits for signals, and nothing signs their tokens: set "
            "FLOWSTONE_SIGNING_KEYS to `id:secret`, the same for every process."
        )
    if problems:
        raise ConfigurationError(problems=problems)
    assert ledger is not None
    _check(ledger)
    return Toolbox(
        name=app.name, pipeline=app.pipeline, ledger=ledger, io=io, keys=keys
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
    """Collect what the managers in use have not been told."""
    used = {a.options.io for a in app.pipeline}
    return [
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
