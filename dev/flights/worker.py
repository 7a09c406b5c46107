"""The worker: a process of its own, started again when it is killed."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from flowstone.core.errors import ConfigurationError
from flowstone.stack.kept import Kept, Launch

__all__ = ["APP", "ROOT", "Worker"]

APP = "dev.flights.app:app"
ROOT = Path(__file__).parents[2]
_FROM_ROOT = 'cd "$0" && exec "$@"'
_TOO_SOON = 10.0
_PATIENCE = 3


class Worker:
    """A worker that serves the demonstration; it ends when this process does.

    Args:
        log: where its output goes.
        environment: how it finds its servers.
    """

    def __init__(self, log: Path, environment: Mapping[str, str]) -> None:
        self._log = log
        self._environment = {**os.environ, **environment}
        self._kept: Kept | None = None
        self._since = 0.0
        self._failures = 0

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._kept is not None
        return self._kept.pid

    def __enter__(self) -> Worker:
        self._log.unlink(missing_ok=True)
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._kept is not None:
            self._kept.stop()

    def mend(self) -> str:
        """Start it again if it has ended; say so if that was so.

        Raises:
            ConfigurationError: it ends again and again.
        """
        assert self._kept is not None
        if self._kept.running:
            return ""
        soon = time.monotonic() - self._since < _TOO_SOON
        self._failures = self._failures + 1 if soon else 1
        if self._failures > _PATIENCE:
            end = "\n".join(self._log.read_text(errors="replace").splitlines()[-15:])
            raise ConfigurationError(
                problems=[
                    f"The worker ends at its start. The end of {self._log}:\n{end}"
                ]
            )
        gone = self._kept.pid
        self._start()
        return f"Worker {gone} has ended; worker {self.pid} takes over."

    def _start(self) -> None:
        lock = os.open(self._log, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            self._kept = Kept(
                Launch(
                    # whoever keeps it starts it in `/`
                    command=[
                        *("/bin/sh", "-c", _FROM_ROOT, str(ROOT)),
                        *(sys.executable, "-m", "workers", APP),
                    ],
                    environment=self._environment,
                    log=self._log,
                    lock=lock,
                    stop_signal=signal.SIGTERM,
                )
            )
        finally:
            os.close(lock)
        self._since = time.monotonic()
