"""One thread for each worker: it beats for every call, and stops what was cancelled.

A cancelled function is first told, by every call of its context; if it goes on for
longer than the grace, `Cancelled` is raised into its thread, and only while it is in
the user's code: never in the middle of a store or of a commit.
"""

from __future__ import annotations

import ctypes
import logging
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Protocol

from flowstone.core.outcome import Cancelled

__all__ = ["Flag", "Region", "Watch"]

_LOG = logging.getLogger("flowstone")
_TICK, _PAUSE = 0.25, 5.0


class Flag(Protocol):
    """Something that is set when a call should stop; an `Event` is one."""

    def is_set(self) -> bool:
        """Tell whether it should."""
        ...


class Region:
    """The user's code of one call, in one thread."""

    def __init__(self, cancelled: Flag) -> None:
        self._cancelled = cancelled
        self._lock = threading.Lock()
        self._thread: int | None = None
        self._raised = False
        self._due: float | None = None

    @contextmanager
    def entered(self) -> Generator[None]:
        """Say that this thread is in the user's code."""
        with self._lock:
            self._thread = threading.get_ident()
        try:
            yield
        finally:
            self.leave()

    def leave(self) -> None:
        """Say that nobody is in the user's code any more, if anybody was.

        What is raised just when a function ends may hit whatever says so: it has to
        be said once more, after that.
        """
        self._set(None)

    @contextmanager
    def left(self) -> Generator[None]:
        """Say that this thread does something that must not be stopped half-way."""
        thread = self._set(None)
        try:
            yield
        finally:
            self._set(thread)

    def _set(self, thread: int | None) -> int | None:
        with self._lock:
            before, self._thread = self._thread, thread
            raised, self._raised = self._raised, False
        if raised and before == threading.get_ident():
            # What was raised and not yet delivered must not hit a commit.
            _absorb()
        return before

    def check(self, grace: float) -> None:
        """Stop the user's code where it was told to and went on for too long."""
        if not self._cancelled.is_set():
            return
        now = time.monotonic()
        if self._due is None:
            self._due = now + grace
        with self._lock:
            if self._thread is not None and now >= self._due:
                # Not again at once: it would hit whatever the first one has begun.
                self._due = now + max(grace, _PAUSE)
                self._raised = True
                _raise_in(self._thread)


def _raise_in(thread: int) -> None:
    raised = ctypes.py_object(Cancelled)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), raised)


def _absorb() -> None:
    """Let what may be about to be raised in this thread be raised here.

    To take it back instead leaves the interpreter looking for it ever after: all that
    it runs is slower, and what runs under a debugger stands still.
    """
    try:
        _raise_in(threading.get_ident())
        while True:
            pass
    except Cancelled:
        return


class Watch:
    """Beats for calls while they last.

    Args:
        grace: how many seconds a cancelled function may go on.
        beat_every: how many seconds there are between two beats.
    """

    def __init__(self, grace: float = 10.0, *, beat_every: float = 3.0) -> None:
        self._grace = grace
        self._beat_every = beat_every
        self._lock = threading.Lock()
        self._calls: dict[int, tuple[Callable[[object], None], Region]] = {}
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()

    @contextmanager
    def over(
        self, beat: Callable[[object], None], cancelled: Flag
    ) -> Generator[Region]:
        """Watch one call; the region is for its user code."""
        region = Region(cancelled)
        with self._lock:
            self._calls[id(region)] = (beat, region)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="flowstone-watch", daemon=True
                )
                self._thread.start()
        try:
            yield region
        finally:
            with self._lock:
                del self._calls[id(region)]

    def _run(self) -> None:
        last = time.monotonic()
        while not self._closing.wait(_TICK):
            now = time.monotonic()
            due = now - last >= self._beat_every
            last = now if due else last
            with self._lock:
                calls = list(self._calls.values())
            for beat, region in calls:
                if due:
                    _beat(beat)
                region.check(self._grace)

    def close(self) -> None:
        """Stop beating."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(timeout=5)


def _beat(beat: Callable[[object], None]) -> None:
    try:
        beat(None)
    except Exception:  # noqa: BLE001 - this thread beats for all the others too
        _LOG.warning("a heartbeat failed", exc_info=True)
