"""A worker: serves an app's runs until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.exc import DBAPIError
from temporalio.client import Client
from temporalio.common import WorkerDeploymentVersion
from temporalio.service import RPCError
from temporalio.worker import Worker

from flowstone.core.errors import AlreadyRunning
from flowstone.engines.delivery import deliver
from flowstone.engines.ports import flow_of
from flowstone.engines.temporal.activities import make_activities
from flowstone.engines.temporal.backend import TemporalBackend
from flowstone.engines.temporal.ids import task_queue
from flowstone.engines.temporal.moving import Moving, deployed
from flowstone.engines.temporal.served import VERSIONED, WORKFLOWS
from flowstone.ledger.base import LIVE, RunRow
from flowstone.ledger.outbox import Bell
from flowstone.steps.toolbox import Toolbox

__all__ = ["WorkerOptions", "serve"]

_LOG = logging.getLogger("flowstone")
_RELAY_SECONDS = 0.2
_SWEEP_SECONDS = 60.0
_NEWS, _NEWS_SECONDS = 50, 0.5
"""How many runs of sensors are started at once, and how often: by each worker."""
_FAREWELL_SECONDS = 10.0
_LOOK_SECONDS = 15.0
_IDLE = timedelta(seconds=60)
_PASSING = (RPCError, DBAPIError, OSError)
"""What a helper of the worker outlives, however long it lasts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """How a worker serves.

    Attributes:
        slots: how many packs it runs at once.
        drain: how long packs may go on after it was told to stop.
        sweep_seconds: how often it looks for runs that nobody serves any more.
        version: which version of which deployment it is, where it has one.
    """

    slots: int = 10
    drain: timedelta = timedelta(seconds=30)
    sweep_seconds: float = _SWEEP_SECONDS
    version: WorkerDeploymentVersion | None = None


async def serve(
    toolbox: Toolbox,
    client: Client,
    options: WorkerOptions,
    *,
    started: asyncio.Event,
    stop: asyncio.Event,
) -> None:
    """Serve until `stop` is set, then drain.

    Args:
        toolbox: what steps hold.
        client: connected to Temporal, with Flowstone's plugin.
        options: how to serve.
        started: set when it polls.
        stop: set it to end.
    """
    backend, every = TemporalBackend(toolbox, client), options.sweep_seconds
    with ThreadPoolExecutor(options.slots, thread_name_prefix="flowstone") as threads:
        worker = Worker(
            client,
            task_queue=task_queue(toolbox.name),
            workflows=WORKFLOWS if options.version is None else VERSIONED,
            activities=make_activities(toolbox),
            activity_executor=threads,
            max_concurrent_activities=options.slots,
            max_eager_activity_reservations_per_workflow_task=min(options.slots, 50),
            graceful_shutdown_timeout=options.drain,
            deployment_config=deployed(options.version),
        )
        ended = asyncio.Event()
        helpers = [
            asyncio.ensure_future(_relay(toolbox, backend, ended)),
            asyncio.ensure_future(_deliver(toolbox, backend, ended)),
            asyncio.ensure_future(_sweep(toolbox, backend, ended, every)),
        ]
        if options.version is not None:
            moving = Moving(toolbox, client, options.version)
            helpers.append(asyncio.ensure_future(_move(moving, ended, every)))
        try:
            async with worker:
                started.set()
                await stop.wait()
        finally:
            ended.set()
            await _finish(helpers)


async def _finish(helpers: Sequence[asyncio.Future[None]]) -> None:
    """Let helpers come to their end: one that is cut off would leave a connection."""
    _, late = await asyncio.wait(helpers, timeout=_FAREWELL_SECONDS)
    for helper in late:
        helper.cancel()
    await asyncio.gather(*helpers, return_exceptions=True)


async def _pause(ended: asyncio.Event, seconds: float) -> bool:
    """Wait, but not beyond the end; tell whether it is there."""
    with suppress(TimeoutError):
        await asyncio.wait_for(ended.wait(), seconds)
    return ended.is_set()


async def _relay(
    toolbox: Toolbox, backend: TemporalBackend, ended: asyncio.Event
) -> None:
    """Ring what is due."""
    outbox = toolbox.ledger.outbox
    pause = 0.0
    while not await _pause(ended, pause):
        pause = _RELAY_SECONDS
        try:
            for bell in await asyncio.to_thread(outbox.due, toolbox.name):
                if not bell.tries or await _is_heard(toolbox, backend, bell):
                    await backend.ring(bell.workflow, bell.gate)
        except _PASSING as error:
            _LOG.warning("bells cannot be rung: %s", _line(error))
            pause = 1.0


async def _deliver(
    toolbox: Toolbox, backend: TemporalBackend, ended: asyncio.Event
) -> None:
    """Start what sensors have found, at a bounded rate."""
    while toolbox.sensors and not await _pause(ended, _NEWS_SECONDS):
        try:
            await deliver(toolbox, backend, limit=_NEWS)
        except _PASSING as error:
            _LOG.warning("runs of sensors cannot be started: %s", _line(error))


async def _is_heard(toolbox: Toolbox, backend: TemporalBackend, bell: Bell) -> bool:
    """Tell whether a run lives that was rung in vain; close one that does not."""
    run = await asyncio.to_thread(toolbox.ledger.runs.get, bell.run)
    if run is None or run.status not in LIVE:
        return False
    return await _mend(toolbox, backend, run)


async def _sweep(
    toolbox: Toolbox, backend: TemporalBackend, ended: asyncio.Event, every: float
) -> None:
    """Close runs whose workflow is gone; start those that were never started."""
    outbox = toolbox.ledger.outbox
    while not await _pause(ended, every):
        try:
            idle = min(_IDLE, timedelta(seconds=every))
            for run in await asyncio.to_thread(outbox.stuck, toolbox.name, idle):
                await _mend(toolbox, backend, run)
        except _PASSING as error:
            _LOG.warning("runs cannot be swept: %s", _line(error))


async def _move(moving: Moving, ended: asyncio.Event, every: float) -> None:
    """Wake runs that wait on older workers."""
    while not await _pause(ended, min(every, _LOOK_SECONDS)):
        try:
            await moving.wake()
        except _PASSING as error:
            _LOG.warning("runs cannot be moved: %s", _line(error))


async def _mend(toolbox: Toolbox, backend: TemporalBackend, run: RunRow) -> bool:
    """Start a run that never was, or write the end of one whose workflow is gone.

    Returns:
        Whether it was alive.
    """
    runs = toolbox.ledger.runs
    if await backend.is_alive(run):
        return True
    if run.status != "starting" or (run.request.tick and await backend.has_begun(run)):
        await asyncio.to_thread(
            lambda: toolbox.end(run, "terminated", reason="its workflow is gone")
        )
        return False
    try:
        started = await backend.start(flow_of(run), run)
    except AlreadyRunning as error:
        await asyncio.to_thread(runs.refuse, run.id, error.message)
        return False
    if started != run.id:
        await asyncio.to_thread(lambda: runs.forget(run.id, into=started))
    return False


def _line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
