"""Named points of a step at which a crash test may stop the process for real.

`FLOWSTONE_CRASH_AT=commit.before:3` ends the process at the third pass;
`FLOWSTONE_FREEZE_AT` stops it with SIGSTOP instead, until somebody continues it.
Where neither is set a point costs one comparison.
"""

from __future__ import annotations

import os
import signal
import threading
import time

__all__ = ["CRASH", "FREEZE", "POINTS", "reach"]

POINTS = (
    "start.before",
    "start.after",
    "open.before",
    "user.before",
    "user.after",
    "store.before",
    "commit.before",
    "commit.after",
    "reply.before",
    "sensor.before",
    "sensor.after",
    "deliver.before",
)
"""The points there are, in the order in which a run passes them."""

CRASH, FREEZE = "FLOWSTONE_CRASH_AT", "FLOWSTONE_FREEZE_AT"


_STOPS_WITHIN = 0.2


class _Points:
    """The points that the environment names, and how often they were passed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._passed: dict[str, int] = {}
        self._wanted = {
            name: (signal_number, int(nth or 1))
            for variable, signal_number in (
                (CRASH, signal.SIGKILL),
                (FREEZE, signal.SIGSTOP),
            )
            if (text := os.environ.get(variable))
            for name, _, nth in [text.partition(":")]
        }

    def reach(self, name: str) -> None:
        if name not in self._wanted:
            return
        with self._lock:
            passed = self._passed[name] = self._passed.get(name, 0) + 1
        signal_number, nth = self._wanted[name]
        if passed == nth:
            os.kill(os.getpid(), signal_number)
            # Threads are stopped one by one: this one should get no further.
            time.sleep(_STOPS_WITHIN)


_POINTS = _Points()


def reach(name: str) -> None:
    """Pass a point."""
    _POINTS.reach(name)
