"""The one primitive of concurrency that flows use: a bounded window of jobs.

Results come first-come in an order that a replay repeats. A job that fails gives its
exception as a value, and never takes its neighbours along.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from flowstone.flows.engine import Engine

__all__ = ["Window"]

T = TypeVar("T")
R = TypeVar("R")


class Window(Generic[T, R]):
    """Jobs under way, each with a tag, beside one timer and the doorbell.

    Args:
        engine: where time and bells come from.
        size: how many jobs run at once.
    """

    def __init__(self, engine: Engine, size: int) -> None:
        self._engine = engine
        self._size = size
        self._jobs: dict[asyncio.Task[R], T] = {}
        self._done: list[tuple[T, R | BaseException]] = []
        self._bells: list[str] = []
        self._listener: asyncio.Task[None] | None = None
        self._timer: asyncio.Task[None] | None = None
        self._due: datetime | None = None
        self._awake: asyncio.Future[None] | None = None

    @property
    def room(self) -> int:
        """How many more jobs may start."""
        return self._size - len(self._jobs)

    @property
    def busy(self) -> bool:
        """Whether a job is under way, or one's result not taken yet."""
        return bool(self._jobs or self._done)

    def start(self, tag: T, job: Coroutine[object, object, R]) -> None:
        """Start a job."""
        task = asyncio.ensure_future(job)
        self._jobs[task] = tag
        task.add_done_callback(self._finished)

    def cancel(self) -> None:
        """Ask every job to stop; their results still come."""
        for task in self._jobs:
            task.cancel()

    async def next(
        self, *, until: datetime | None
    ) -> tuple[list[tuple[T, R | BaseException]], list[str]]:
        """Wait for results, bells, or an instant; give results and bells."""
        self._listen()
        self._set_timer(until)
        if not self._done and not self._bells:
            self._awake = asyncio.get_running_loop().create_future()
            try:
                await self._awake
            finally:
                self._awake = None
        done, self._done = self._done, []
        bells, self._bells = self._bells, []
        return done, bells

    def close(self) -> None:
        """Stop listening; jobs must have ended."""
        for task in (self._listener, self._timer):
            if task is not None:
                task.cancel()

    def _finished(self, task: asyncio.Task[R]) -> None:
        tag = self._jobs.pop(task)
        if task.cancelled():
            self._done.append((tag, asyncio.CancelledError()))
        else:
            self._done.append((tag, task.exception() or task.result()))
        self._wake()

    def _wake(self) -> None:
        if self._awake is not None and not self._awake.done():
            self._awake.set_result(None)

    def _listen(self) -> None:
        if self._listener is None:
            self._listener = asyncio.ensure_future(self._hear())

    async def _hear(self) -> None:
        while True:
            gate = await self._engine.doorbell()
            self._bells.append(gate)
            self._wake()

    def _set_timer(self, until: datetime | None) -> None:
        running = self._timer is not None and not self._timer.done()
        if until is None or (running and self._due == until):
            if until is None and running and self._timer is not None:
                self._timer.cancel()
            return
        if running and self._timer is not None:
            self._timer.cancel()
        self._due = until
        delay = max(until - self._engine.now(), timedelta(0))
        self._timer = asyncio.ensure_future(self._tick(delay))

    async def _tick(self, delay: timedelta) -> None:
        await self._engine.sleep(delay, "wake what is due")
        self._wake()
