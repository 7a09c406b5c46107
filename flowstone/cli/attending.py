"""Keep a worker or an endpoint running beside this process, and no longer than it."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import typer

from flowstone.core.errors import ConfigurationError
from flowstone.stack.folder import fresh_log, lock, log_end
from flowstone.stack.kept import Kept, Launch

__all__ = ["Attended"]

# Its keeper starts it at the root of the file system; the app is looked for here.
_ENTRY = (
    "import os, sys; os.chdir(sys.argv.pop(1)); "
    "from flowstone.cli.main import run; run()"
)
_LOOK_EVERY = 0.1
_BEFORE_ANOTHER = 1.0
_DRAIN = "PT8S"
_GRACE = 10.0


class Attended:
    """A command that serves, in a process of its own, started again when it ends.

    It runs under a keeper, as the servers of the stack do: it ends with this process,
    whatever ends that, and whatever state it is in itself.

    Args:
        words: the command: `worker` or `serve`, the app, and what else there is.
        ready: the line that it says when it serves.
        folder: where its log is.
        environment: what it is told beside this process's own environment.
    """

    def __init__(
        self,
        words: Sequence[str],
        ready: str,
        folder: Path,
        environment: Mapping[str, str],
    ) -> None:
        self._words = words
        self._ready = ready
        self._folder = folder
        self._environment = {
            "FLOWSTONE_WORKER_DRAIN": _DRAIN,
            **os.environ,
            **environment,
            "PYTHONUNBUFFERED": "1",
        }
        self._lock = lock(folder)
        self._kept = self._start()
        self._read = 0

    @property
    def log(self) -> Path:
        """Where its words are kept."""
        return self._kept.log

    def wait_ready(self) -> None:
        """Wait until it serves.

        Raises:
            ConfigurationError: it ended before.
        """
        while not self._serves():
            if not self._kept.running:
                raise ConfigurationError(problems=[self._failure()])
            time.sleep(_LOOK_EVERY)
        self._pass_on()

    def attend(self) -> None:
        """Pass on what it says; start another one when it has ended."""
        self._pass_on()
        if self._kept.running:
            return
        typer.echo(f"{self._name} ended; it is started again", err=True)
        time.sleep(_BEFORE_ANOTHER)
        self._kept = self._start()
        self._read = 0

    def stop(self) -> None:
        """Stop it in good order, and wait for its end."""
        self._kept.stop()
        self._pass_on()
        os.close(self._lock)

    def _start(self) -> Kept:
        return Kept(
            Launch(
                command=[
                    *(sys.executable, "-c", _ENTRY, str(Path.cwd())),
                    *self._words,
                ],
                environment=self._environment,
                log=fresh_log(self._folder),
                lock=self._lock,
                stop_signal=signal.SIGTERM,
                grace=_GRACE,
            )
        )

    def _failure(self) -> str:
        why = log_end(self._kept.log, lines=1).removeprefix("error: ")
        return (
            f"{self._name} ended at its start: {why} All that it said is in "
            f"{self._kept.log}."
        )

    @property
    def _name(self) -> str:
        return f"`flowstone {' '.join(self._words[:2])}`"

    def _serves(self) -> bool:
        return self._ready in self._kept.log.read_text().splitlines()

    def _pass_on(self) -> None:
        with self._kept.log.open("rb") as log:
            log.seek(self._read)
            said = log.read()
        self._read += len(said)
        sys.stderr.write(said.decode(errors="replace"))
        sys.stderr.flush()
