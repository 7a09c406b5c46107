"""Serve an app: a worker with signals, a health endpoint and a graceful end."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from datetime import timedelta
from importlib import import_module

from temporalio.client import Client

from flowstone.app import Flowstone
from flowstone.core.errors import ConfigurationError
from flowstone.engines.temporal.moving import version_of
from flowstone.engines.temporal.worker import WorkerOptions, serve
from flowstone.opening import At, close_toolbox, reach
from flowstone.probes import Readiness, probed
from flowstone.settings import Settings
from flowstone.steps.toolbox import Toolbox

__all__ = ["load_app", "serve_app"]

_LOG = logging.getLogger("flowstone")


def load_app(path: str) -> Flowstone:
    """Import the app that `package.module:name` names.

    Raises:
        ConfigurationError: there is no such module, or no app of that name in it.
    """
    module_name, found, name = path.partition(":")
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and module_name.startswith(error.name):
            raise ConfigurationError(
                problems=[
                    f"There is no module {module_name!r}. Name the app as "
                    "package.module:name, from a folder where Python finds it."
                ]
            ) from error
        raise
    app = getattr(module, name if found else "app", None)
    if not isinstance(app, Flowstone):
        have = [n for n, v in vars(module).items() if isinstance(v, Flowstone)]
        hint = f"It has {', '.join(have)}." if have else "It has none."
        raise ConfigurationError(
            problems=[
                f"Module {module_name!r} has no app named {name or 'app'!r}. {hint}"
            ]
        )
    return app


async def serve_app(
    app: Flowstone,
    *,
    address: str | None = None,
    namespace: str | None = None,
    profile: str | None = None,
    slots: int | None = None,
    drain: timedelta | None = None,
    sweep_seconds: float | None = None,
    health_port: int | None = None,
    build: str | None = None,
    on_started: Callable[[], None] = lambda: None,
) -> None:
    """Serve an app until SIGTERM or SIGINT; a second signal ends it at once.

    What is left out is as the settings say.

    Args:
        app: the app.
        address: Temporal's; by default as its own configuration says.
        namespace: likewise.
        profile: which one of Temporal's configuration file.
        slots: how many packs run at once.
        drain: how long packs may go on after the signal.
        sweep_seconds: how often runs that nobody serves are looked for.
        build: the worker's version; without one it has none.
        health_port: where `/healthz` and `/readyz` are answered, if anywhere.
        on_started: called when it polls.

    Raises:
        ConfigurationError: what it needs is missing or does not answer.
    """
    at = At(address=address, namespace=namespace, profile=profile)
    toolbox, client = await reach(app, at)
    try:
        settings = Settings.from_env()
        options = WorkerOptions(
            slots=slots or settings.worker_slots,
            drain=settings.worker_drain if drain is None else drain,
            sweep_seconds=sweep_seconds or settings.worker_sweep.total_seconds(),
            version=version_of(
                app.name, settings.worker_deployment, build or settings.worker_build
            ),
        )
        port = settings.worker_health_port if health_port is None else health_port
        await _serve(toolbox, client, options, port, on_started)
    finally:
        await asyncio.to_thread(close_toolbox, toolbox)


async def _serve(
    toolbox: Toolbox,
    client: Client,
    options: WorkerOptions,
    health_port: int | None,
    on_started: Callable[[], None],
) -> None:
    started, stop = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stopper(stop))
    readiness = Readiness(
        toolbox, client, lambda: started.is_set() and not stop.is_set()
    )
    async with probed(health_port, readiness):
        serving = asyncio.ensure_future(
            serve(toolbox, client, options, started=started, stop=stop)
        )
        waiting = asyncio.ensure_future(started.wait())
        await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if started.is_set():
            on_started()
        await serving


def _stopper(stop: asyncio.Event) -> Callable[[], None]:
    def asked() -> None:
        if stop.is_set():
            raise SystemExit(130)
        _LOG.info("stopping: packs that run may end; a second signal ends them")
        stop.set()

    return asked
