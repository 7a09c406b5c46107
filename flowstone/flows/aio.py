"""What flows use of concurrency: a bounded window of jobs, and one job to its end.

Results come first-come in an order that a replay repeats. A job that fails gives its
exception as a value, and never takes its neighbours along.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from flowstone.flows.engine import Engine

__all__ = ["Window", "finish"]

T = TypeVar("T")
R = TypeVar("R")


async def finish(
    job: Coroutine[object, object, R], *, stoppable: bool = True
) -> tuple[R | BaseException, bool]:
    """Await one job to its end, through a cancellation that comes meanwhile.

    Awaited as it is, a job that ends in good order although it was cancelled would
    swallow the cancellation, and the flow would go on as if nobody had asked.

    Args:
        job: what to await.
        stoppable: whether a cancellation is passed on to it.

    Returns:
        Its result, or its exception as a value; and whether a cancellation came.
    """
    task = asyncio.ensure_future(job)
    cancelled = False
    while not task.done():
        ended = asyncio.get_running_loop().create_future()
        task.add_done_callback(
            lambda _, ended=ended: ended.done() or ended.set_result(0)
        )
        try:
            await ended
        except asyncio.CancelledError:
            cancelled = True
            if stoppable:
                task.cancel()
    return _outcome(task), cancelled


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
        """Stop listening, and whatever still runs; nothing is to be taken any more."""
        for task in (self._listener, self._timer, *self._jobs):
            if task is not None:
                task.cancel()

    def _finished(self, task: asyncio.Task[R]) -> None:
        self._done.append((self._jobs.pop(task), _outcome(task)))
        self._wake()

    def _wake(self) -> None:
        if self._awake is not None and not self._awake.done():
            self._awake.set_result(None)

    def _listen(self) -> None:
        if self._listener is None:
            self._listener = asyncio.ensure_future(self._hear())

    async def _hear(self) -> None:
        while True:
            # Two lines: `next` puts another list in place of this one meanwhile.
            gate = await self._engine.doorbell()
            self._bells.append(gate)
            self._wake()

    def _set_timer(self, until: datetime | None) -> None:
        # One that runs to the same instant is kept: each is an event in a history.
        if until == self._due:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._due = None, until
        if until is not None:
            delay = max(until - self._engine.now(), timedelta(0))
            self._timer = asyncio.ensure_future(self._tick(delay))

    async def _tick(self, delay: timedelta) -> None:
        await self._engine.sleep(delay, "wake what is due")
        self._timer = self._due = None
        self._wake()


def _outcome(task: asyncio.Task[R]) -> R | BaseException:
    if task.cancelled():
        return asyncio.CancelledError()
    return task.exception() or task.result()
