"""Disturb a run: end or freeze its worker at a named point, or have its store fail."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta

from flowstone.core.text import closest
from flowstone.io import IOManager, Slot, Stored
from flowstone.steps.points import CRASH, FREEZE, POINTS

__all__ = ["Disturbance", "TroubledIO", "crash_at", "freeze_at"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Disturbance:
    """What is to happen to a worker in a process of its own; see `worker_process`."""

    variable: str
    point: str
    nth: int

    @property
    def environment(self) -> Mapping[str, str]:
        """The variable that has a worker do it to itself."""
        return {self.variable: f"{self.point}:{self.nth}"}


def crash_at(point: str, nth: int = 1) -> Disturbance:
    """Have a worker killed by SIGKILL when it passes a point for the nth time.

    Args:
        point: `open.before`, `user.before`, `user.after`, `store.before`,
            `commit.before`, `commit.after` or `reply.before`; of a client,
            `start.before` or `start.after`.
        nth: at which pass.

    Raises:
        ValueError: there is no such point, or pass.
    """
    return _disturbance(CRASH, point, nth)


def freeze_at(point: str, nth: int = 1) -> Disturbance:
    """Have a worker stopped by SIGSTOP at a point, until it is thawed.

    Args:
        point: as `crash_at` takes it.
        nth: at which pass.

    Raises:
        ValueError: there is no such point, or pass.
    """
    return _disturbance(FREEZE, point, nth)


def _disturbance(variable: str, point: str, nth: int) -> Disturbance:
    if point not in POINTS:
        meant = closest(point, POINTS)
        hint = f" Did you mean {meant!r}?" if meant else ""
        raise ValueError(
            f"There is no point {point!r}.{hint} The points are {', '.join(POINTS)}."
        )
    if nth < 1:
        raise ValueError(f"nth={nth}: the first pass is 1.")
    return Disturbance(variable=variable, point=point, nth=nth)


class TroubledIO:
    """A manager whose store is slow, or fails at times; all else is another's.

    Args:
        manager: who keeps the values.
        slow: how long each movement takes longer.
        fail_stores: which stores fail, the first one being 1.
        fail_loads: likewise.
        error: what a failure is; an `OSError` passes, so the step is tried again.
    """

    def __init__(
        self,
        manager: IOManager,
        *,
        slow: timedelta = timedelta(0),
        fail_stores: Collection[int] = (),
        fail_loads: Collection[int] = (),
        error: Exception | None = None,
    ) -> None:
        self._manager = manager
        self._slow = slow
        self._failing = {"store": fail_stores, "load": fail_loads}
        self._passed = {"store": 0, "load": 0}
        self._error = error or OSError("the store is not there")
        self._lock = threading.Lock()

    def _pass(self, what: str) -> None:
        with self._lock:
            self._passed[what] += 1
            fails = self._passed[what] in self._failing[what]
        time.sleep(self._slow.total_seconds())
        if fails:
            raise self._error

    @property
    def stores(self) -> int:
        """How often it was asked to store."""
        return self._passed["store"]

    @property
    def loads(self) -> int:
        """How often it was asked to load."""
        return self._passed["load"]

    def store(self, value: object, at: Slot) -> Stored:
        """Keep a value, in trouble."""
        self._pass("store")
        return self._manager.store(value, at)

    def load(self, at: Stored, want: object) -> object:
        """Give a value, in trouble."""
        self._pass("load")
        return self._manager.load(at, want)

    def delete(self, at: Stored) -> None:
        """Forget a value."""
        self._manager.delete(at)
