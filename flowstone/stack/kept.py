"""The owner's side of a keeper: a server as something to stop, kill and wait for."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flowstone.stack import keeper
from flowstone.stack.account import Account

__all__ = ["Kept", "Launch"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How a server is started, how it is asked to stop, and what it leaves behind.

    Attributes:
        litter: Files to remove when it has ended.
    """

    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    lock: int
    stop_signal: signal.Signals
    account: Account | None = None
    grace: float = 10.0
    litter: Sequence[Path] = ()


class Kept:
    """A server that runs under a keeper of its own.

    Signals go through the keeper, which reaps the server: they cannot hit a stranger
    that was given the same process id.
    """

    def __init__(self, launch: Launch) -> None:
        self.log = launch.log
        self._keeper = _keeper(launch)
        assert self._keeper.stdout is not None
        with self._keeper.stdout as report:
            # nothing where the program could not be run: the log says why
            self.pid = int(report.readline() or 0)

    @property
    def running(self) -> bool:
        """Say whether the server, or something it left behind, still runs."""
        return self._keeper.poll() is None

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end of the server; say whether it came in time."""
        try:
            self._keeper.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self) -> None:
        """Ask the server to stop, insist after its grace, and wait for its end."""
        assert self._keeper.stdin is not None
        self._keeper.stdin.close()
        self._keeper.wait()

    def kill(self) -> None:
        """End the server by SIGKILL, as a crash would, and wait for its end."""
        assert self._keeper.stdin is not None
        with contextlib.suppress(BrokenPipeError, ValueError):
            self._keeper.stdin.write(bytes([signal.SIGKILL]))
        self.stop()


def _keeper(launch: Launch) -> subprocess.Popen[bytes]:
    account = launch.account
    order: keeper.Order = {
        "command": list(launch.command),
        "owner": os.getpid(),
        "user": None if account is None else account.user,
        "group": None if account is None else account.group,
        "lock": launch.lock,
        "stop_signal": launch.stop_signal,
        "grace": launch.grace,
        "litter": [str(path) for path in launch.litter],
    }
    with launch.log.open("ab") as log:
        return subprocess.Popen(  # noqa: S603 - this package's own script
            [sys.executable, "-I", "-S", keeper.__file__, json.dumps(order)],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd="/",
            env=dict(launch.environment),
            pass_fds=[launch.lock],
            # out of the terminal's group: an interrupt is for the owner to act on
            start_new_session=True,
        )
