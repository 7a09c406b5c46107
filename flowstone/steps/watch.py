"""One thread for each worker: it beats for every call, and stops what was cancelled.

A cancelled function is first told, by every call of its context; if it goes on for
longer than the grace, `Cancelled` is raised into its thread, and only while it is in
the user's code: never in the middle of a store or of a commit.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Protocol

from flowstone.core.outcome import Cancelled

__all__ = ["Flag", "Region", "Watch"]

_TICK = 0.25
_BEAT_EVERY = 3.0


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
        self._since: float | None = None

    @contextmanager
    def entered(self) -> Generator[None]:
        """Say that this thread is in the user's code."""
        with self._lock:
            self._thread = threading.get_ident()
        try:
            yield
        finally:
            with self._lock:
                # What was raised and not yet delivered must not hit a commit.
                _raise_in(self._thread, None)
                self._thread = None

    def check(self, grace: float) -> None:
        """Stop the user's code where it was told to and went on for too long."""
        if not self._cancelled.is_set():
            return
        now = time.monotonic()
        self._since = now if self._since is None else self._since
        if now - self._since < grace:
            return
        with self._lock:
            if self._thread is not None:
                _raise_in(self._thread, Cancelled)


def _raise_in(thread: int | None, what: type[BaseException] | None) -> None:
    if thread is not None:
        raised = ctypes.py_object(what) if what is not None else None
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), raised)


class Watch:
    """Beats for calls while they last.

    Args:
        grace: how many seconds a cancelled function may go on.
    """

    def __init__(self, grace: float = 10.0) -> None:
        self._grace = grace
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
            due = now - last >= _BEAT_EVERY
            last = now if due else last
            with self._lock:
                calls = list(self._calls.values())
            for beat, region in calls:
                if due:
                    beat(None)
                region.check(self._grace)

    def close(self) -> None:
        """Stop beating."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(timeout=5)
