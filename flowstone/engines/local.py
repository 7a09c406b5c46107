"""Runs in this process: flows as tasks, steps in threads, gates as queues."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar, cast

from sqlalchemy.exc import DBAPIError

from flowstone.core.errors import AlreadyRunning, FlowstoneError
from flowstone.core.health import Component
from flowstone.core.messages import Flow, Step
from flowstone.core.ticks import Checked, Sense, sense_id
from flowstone.engines.delivery import deliver
from flowstone.engines.ports import Started, workflow_of
from flowstone.engines.untimed import Untimed
from flowstone.flows.table import AnyFlow, take_flow
from flowstone.ledger.base import RunRow
from flowstone.steps.table import take_step
from flowstone.steps.toolbox import Toolbox

__all__ = ["LocalBackend", "LocalEngine"]

R = TypeVar("R")

_LOG = logging.getLogger("flowstone")
_TRIES = 5
_THREADS = 16
_RELAY_SECONDS = 0.1
_NEWS = 100
_TRANSIENT = (OSError, DBAPIError)
"""What may pass by itself; anything else is a mistake, and is raised at once."""


@dataclass(kw_only=True)
class _Live:
    """A workflow of this process."""

    run: str
    request_hash: str
    task: asyncio.Task[None]
    bells: asyncio.Queue[str] = field(default_factory=asyncio.Queue[str])


class LocalEngine:
    """Drives one flow in this process.

    Args:
        backend: where threads and children are had.
        workflow: the flow's id.
        bells: what rings for it.
    """

    def __init__(
        self, backend: LocalBackend, workflow: str, bells: asyncio.Queue[str]
    ) -> None:
        self._backend = backend
        self._workflow = workflow
        self._bells = bells

    async def do(self, step: Step[R], summary: str = "") -> R:
        """Do a step in a thread; again after what may pass by itself."""
        del summary
        cancelled = threading.Event()
        for attempt in range(1, _TRIES + 1):
            try:
                return await self._attempt(step, attempt, cancelled)
            except _TRANSIENT as error:
                if attempt == _TRIES or isinstance(error, FlowstoneError):
                    raise
                _LOG.warning("a step is tried again: %s", error)
                await asyncio.sleep(min(0.1 * 2**attempt, 5))
        raise AssertionError("unreachable")

    async def _attempt(
        self, step: Step[R], attempt: int, cancelled: threading.Event
    ) -> R:
        work = asyncio.get_running_loop().run_in_executor(
            self._backend.threads,
            lambda: take_step(
                self._backend.toolbox,
                step,
                workflow=self._workflow,
                attempt=attempt,
                beat=lambda _: None,
                cancelled=cancelled,
            ),
        )
        while True:
            try:
                return await asyncio.shield(work)
            except asyncio.CancelledError:
                # The step is told, and says itself what became of its cells.
                if work.done():
                    raise
                cancelled.set()

    async def spawn(self, flow: Flow[R], name: str) -> R:
        """Run a child as a task of its own."""
        child = f"{self._workflow}/{name}"
        return cast("R", await self._backend.drive(cast("AnyFlow", flow), child))

    async def sleep(self, delay: timedelta, why: str) -> None:
        """Wait, as long as the process lives."""
        del why
        await asyncio.sleep(delay.total_seconds())

    async def doorbell(self) -> str:
        """Wait for a bell."""
        return await self._bells.get()

    def now(self) -> datetime:
        """Give this machine's time."""
        return datetime.now(UTC)

    def show(self, details: Callable[[], str]) -> None:
        """Show nobody: there is no page."""

    @property
    def outdated(self) -> bool:
        """Tell that there are no other workers."""
        return False

    @property
    def history_full(self) -> bool:
        """Nothing is full: there is no history."""
        return False


class LocalBackend:
    """Runs of this process.

    Args:
        toolbox: what steps hold.
        owner: what proves that this process lives.
    """

    def __init__(self, toolbox: Toolbox, owner: str) -> None:
        self.toolbox = toolbox
        self.owner = owner
        self.timetable = Untimed()
        self.threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="flowstone")
        self._live: dict[str, _Live] = {}
        self._queues: dict[str, asyncio.Queue[str]] = {}
        self._relay: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    async def start(self, flow: Started, run: RunRow) -> str:
        """Start a run as a task, or join the one that has its workflow's id."""
        live = self._live.get(workflow_of(run))
        if live is not None and not live.task.done():
            if live.request_hash == run.request_hash:
                return live.run
            raise AlreadyRunning(
                asset=run.request.asset,
                partition=run.request.key or "-",
                run_id=live.run,
            )
        task = asyncio.ensure_future(self._run(flow, run))
        self._live[workflow_of(run)] = _Live(
            run=run.id, request_hash=run.request_hash, task=task
        )
        if self._relay is None:
            self._relay = asyncio.ensure_future(self._ring_due())
        return run.id

    async def _run(self, flow: Started, run: RunRow) -> None:
        try:
            await self.drive(flow, workflow_of(run))
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever broke, the run ends
            _LOG.exception("run %s broke", run.id)
            reason = f"{type(error).__name__}: {error}"
            known = error if isinstance(error, FlowstoneError) else None
            await asyncio.to_thread(
                self.toolbox.end, run, "failed", error=known, reason=reason
            )

    async def drive(self, flow: AnyFlow, workflow: str) -> object:
        """Drive a flow to its end, through every continuing as new."""
        bells = self._queues[workflow] = asyncio.Queue()
        try:
            while True:
                engine = LocalEngine(self, workflow, bells)
                found = await take_flow(engine, flow)
                if not isinstance(found, AnyFlow):
                    return found
                flow = found
        finally:
            del self._queues[workflow]

    async def sense(self, flow: Sense) -> Checked:
        """Have a sensor look, and start what it found."""
        found = await self.drive(flow, sense_id(flow.pipeline, flow.sensor, flow.tick))
        await self.deliver()
        return cast("Checked", found)

    async def deliver(self) -> None:
        """Start what sensors have found, and what an earlier process has left."""
        while self.toolbox.sensors and await deliver(self.toolbox, self, limit=_NEWS):
            pass

    async def wait(self, run: RunRow) -> None:
        """Wait for a run's task."""
        live = self._live.get(workflow_of(run))
        if live is not None and live.run == run.id:
            await asyncio.wait([live.task])

    async def is_alive(self, run: RunRow) -> bool:
        """Tell whether the run's task goes on."""
        live = self._live.get(workflow_of(run))
        return live is not None and live.run == run.id and not live.task.done()

    async def ring(self, workflow: str, gate: str) -> bool:
        """Put a bell into a workflow's queue; a workflow that is gone hears nothing."""
        bells = self._queues.get(workflow)
        if bells is None:
            return False
        bells.put_nowait(gate)
        return True

    async def _ring_due(self) -> None:
        """Ring what the ledger says is due, as long as this backend lives."""
        outbox, name = self.toolbox.ledger.outbox, self.toolbox.name
        while not self._closing.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), _RELAY_SECONDS)
            try:
                due = await asyncio.to_thread(outbox.due, name)
            except _TRANSIENT as error:
                _LOG.warning("bells cannot be read: %s", error)
                continue
            for bell in due:
                await self.ring(bell.workflow, bell.gate)

    async def cancel(self, run: RunRow) -> None:
        """Cancel a run's task; it ends in good order."""
        live = self._live.get(workflow_of(run))
        if live is not None and live.run == run.id:
            live.task.cancel()

    def url(self, run: RunRow) -> str | None:
        """Give none: there is no page."""
        del run
        return None

    async def health(self) -> list[Component]:
        """Tell how many runs go on here."""
        going = sum(1 for live in self._live.values() if not live.task.done())
        said = f"in this process; {going} runs go on"
        return [Component(kind="engine", name="engine", detail=said)]

    async def close(self) -> None:
        """Cancel what runs, and stop every thread."""
        self._closing.set()
        tasks = [live.task for live in self._live.values() if not live.task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._relay is not None:
            # Cut off, it would leave a connection.
            await self._relay
        await asyncio.to_thread(self.threads.shutdown)
