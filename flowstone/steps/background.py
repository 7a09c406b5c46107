"""One event loop for each worker, on which `async def` assets run.

Their clients and pools can live there as long as the worker does. An asset that
blocks it holds up all others, so it is named.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import inspect
import logging
import threading
import time
from collections.abc import Awaitable, Coroutine
from dataclasses import dataclass
from typing import TypeVar

__all__ = ["Background", "Exited"]

T = TypeVar("T")

_LOG = logging.getLogger("flowstone")
_BLOCKED = 1.0


@dataclass(frozen=True, slots=True)
class Exited:
    """A coroutine asked the whole process to end, which ends only the coroutine."""

    error: BaseException


class Background:
    """A loop in a thread of its own, started when it is first needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._running: set[str] = set()
        self._closing = threading.Event()

    def submit(
        self, work: Coroutine[object, object, T], name: str
    ) -> concurrent.futures.Future[T | Exited]:
        """Run a coroutine there; `name` is whose it is."""
        loop = self._started()
        return asyncio.run_coroutine_threadsafe(self._named(work, name), loop)

    def settle(self, found: object, name: str, seconds: float | None) -> object:
        """Await there what a call gave, where it is awaitable.

        Args:
            found: what the call gave.
            name: whose it is.
            seconds: how long it may take.

        Raises:
            TimeoutError: it took longer, and was cancelled.
        """
        if not inspect.isawaitable(found):
            return found
        work = self.submit(_awaited(found), name)
        try:
            given = work.result(timeout=seconds)
        except TimeoutError:
            if not work.cancel():
                raise  # it is its own
            late = f"it took longer than {seconds:g} s"
            raise TimeoutError(late) from None
        if isinstance(given, Exited):
            raise given.error
        return given

    async def _named(self, work: Coroutine[object, object, T], name: str) -> T | Exited:
        self._running.add(name)
        try:
            return await work
        except (SystemExit, KeyboardInterrupt) as error:
            # As an exception it would end the loop, and all that run on it.
            return Exited(error)
        finally:
            self._running.discard(name)

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                loop = self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=_serve, args=(loop,), name="flowstone-async", daemon=True
                )
                self._thread.start()
                threading.Thread(
                    target=self._guard,
                    args=(loop,),
                    name="flowstone-guard",
                    daemon=True,
                ).start()
            return self._loop

    def _guard(self, loop: asyncio.AbstractEventLoop) -> None:
        """Name the asset that blocks the loop for more than a second."""
        while not self._closing.wait(_BLOCKED):
            answered = threading.Event()
            asked = time.monotonic()
            try:
                loop.call_soon_threadsafe(answered.set)
            except RuntimeError:
                return
            if not answered.wait(_BLOCKED) and not self._closing.is_set():
                suspects = ", ".join(sorted(self._running)) or "nobody known"
                answered.wait(60)
                _LOG.warning(
                    "the loop of async assets was blocked for %.1f s; running were: %s. "
                    "Do blocking work in a plain def, or with asyncio.to_thread.",
                    time.monotonic() - asked,
                    suspects,
                )

    def close(self) -> None:
        """Stop the loop, cancelling what still runs on it."""
        self._closing.set()
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(timeout=10)


async def _awaited(found: Awaitable[T]) -> T:
    return await found


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
