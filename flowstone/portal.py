"""The way from code without asyncio to objects that live on an event loop.

A Temporal client belongs to the loop it was made on, so whoever opens one without a
loop gets a loop of its own, which lives as long as the client does.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import ExitStack, suppress
from typing import Any, Generic, Protocol, Self, TypeVar

from flowstone.core.errors import Refused

__all__ = ["Portal", "SyncOpening"]

R = TypeVar("R")
A = TypeVar("A")


class _Facade(Protocol):
    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...


F = TypeVar("F", bound=_Facade)


class SyncOpening(Generic[F]):
    """An app about to be opened for code that does not use asyncio: `with` it.

    Args:
        opening: what gives the client, awaited on the client's own loop.
        facade: what gives that client its synchronous face.
    """

    def __init__(self, opening: Awaitable[A], facade: Callable[[Portal, A], F]) -> None:
        async def enter(portal: Portal) -> F:
            return facade(portal, await opening)

        self._opened = enter
        self._stack = ExitStack()

    def __enter__(self) -> F:
        portal = Portal()
        try:
            client = portal.call(self._opened(portal))
        except BaseException:
            portal.close()
            raise
        return self._stack.enter_context(client)

    def __exit__(self, *_: object) -> None:
        self._stack.close()


class Portal:
    """An event loop in a thread of its own, and the way onto it.

    Any thread may call, several at once; their calls run side by side.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._closed = False
        self._door = threading.Lock()
        self._closing = threading.RLock()
        self._thread = threading.Thread(
            target=self._serve, name="flowstone-client", daemon=True
        )
        self._thread.start()

    def call(self, work: Coroutine[Any, Any, R]) -> R:
        """Run a coroutine on the loop, and wait for what it gives.

        Ctrl-C cancels this coroutine alone; a second one does not wait for its end.

        Raises:
            Refused: the portal is closed, or this is its own thread.
        """
        call = _Call(self._loop, work)
        try:
            self._hand_over(call.start)
            concurrent.futures.wait([call.answer])
        except Refused:
            work.close()
            raise
        except BaseException:
            # Waiting itself raises nothing: a signal's handler did, as for Ctrl-C.
            with suppress(Refused):
                self._hand_over(call.cancel)
                concurrent.futures.wait([call.answer])
            raise
        try:
            return call.answer.result()
        except concurrent.futures.CancelledError:
            if self._closed:
                raise _closed() from None
            raise

    def close(
        self, farewell: Callable[[], Coroutine[Any, Any, object]] | None = None
    ) -> None:
        """End the loop and what still runs on it; a second time changes nothing.

        Args:
            farewell: what is to be awaited on the loop before.

        Raises:
            Refused: this is the portal's own thread.
        """
        self._refuse_own_thread()
        with self._closing:
            if self._closed:
                return
            try:
                if farewell is not None:
                    self.call(farewell())
            finally:
                self._stop()

    def _hand_over(self, step: Callable[[], None]) -> None:
        """Have the loop take a step; what is handed over before the end is taken."""
        self._refuse_own_thread()
        with self._door:
            if self._closed:
                raise _closed()
            self._loop.call_soon_threadsafe(step)

    def _refuse_own_thread(self) -> None:
        if threading.current_thread() is self._thread:
            raise Refused(
                reason="A synchronous client was called on the thread of its own "
                "loop, which would wait for itself. Call it from another thread."
            )

    def _stop(self) -> None:
        with self._door:
            if not self._closed:
                self._closed = True
                self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _serve(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            loop = runner.get_loop()
            while not self._closed:
                # These two leave a loop through its roof. They are raised in the
                # thread that called; the others still need the loop.
                with suppress(KeyboardInterrupt, SystemExit):
                    loop.run_forever()


class _Call(Generic[R]):
    """One coroutine on the loop, and the answer that a thread waits for."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, R]
    ) -> None:
        self.answer: concurrent.futures.Future[R] = concurrent.futures.Future()
        self._loop = loop
        self._work = work
        self._task: asyncio.Task[R] | None = None

    def start(self) -> None:
        """Begin; on the loop's thread."""
        self._task = self._loop.create_task(self._work)
        self._task.add_done_callback(self._settle)

    def cancel(self) -> None:
        """Cancel it, or see to it that it never begins; on the loop's thread."""
        if self._task is not None:
            self._task.cancel()
        else:
            self._work.close()
            self._give_up()

    def _settle(self, task: asyncio.Task[R]) -> None:
        if task.cancelled():
            self._give_up()
            return
        error = task.exception()
        if error is None:
            self.answer.set_result(task.result())
        else:
            self.answer.set_exception(error)

    def _give_up(self) -> None:
        self.answer.cancel()
        # Without this, who waits for the answer is not told that there is none.
        self.answer.set_running_or_notify_cancel()


def _closed() -> Refused:
    return Refused(
        reason="The client is closed. Open the app again: `with app.local().sync() "
        "as stone:`."
    )
