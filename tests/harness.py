"""Real processes for tests: workers that can be killed, frozen and thawed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psycopg

from flowstone import SqlLedger

__all__ = ["ROOT", "WorkerProcess", "eventually", "query", "upgrade"]

ROOT = Path(__file__).parents[1]


def eventually(
    check: Callable[[], object], *, within: float = 30.0, what: str = "it"
) -> None:
    """Wait until a check is true.

    Raises:
        AssertionError: it was not in time.
    """
    ends = time.monotonic() + within
    while not check():
        if time.monotonic() > ends:
            raise AssertionError(f"{what} did not happen within {within} s")
        time.sleep(0.05)


def query(url: str, sql: str, *args: object) -> list[tuple[object, ...]]:
    """Ask a Postgres."""
    plain = url.replace("postgresql+psycopg://", "postgresql://")
    with psycopg.connect(plain, autocommit=True) as connection:
        return list(connection.execute(sql.encode(), args or None).fetchall())


def upgrade(url: str) -> None:
    """Make the ledger's tables."""
    ledger = SqlLedger(url)
    try:
        ledger.upgrade()
    finally:
        ledger.close()


class WorkerProcess:
    """A worker in a process of its own.

    Args:
        app: what it serves, as `package.module:name`.
        folder: where its log goes.
        environment: beside this process's own.
    """

    def __init__(self, app: str, folder: Path, environment: Mapping[str, str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._log = folder / f"worker-{time.monotonic_ns()}.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "workers", app],
                cwd=ROOT,
                env={**os.environ, **environment},
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )

    @property
    def log(self) -> str:
        """What it has said."""
        return self._log.read_text()

    def wait_ready(self) -> WorkerProcess:
        """Wait until it serves."""
        eventually(
            lambda: "serving" in self.log or self.process.poll() is not None,
            what=f"the start of a worker\n{self.log}",
        )
        if self.process.poll() not in {None, -signal.SIGKILL}:
            raise AssertionError(f"the worker ended\n{self.log}")
        return self

    def wait_killed(self) -> None:
        """Wait until it was killed, by itself or by the test."""
        eventually(
            lambda: self.process.poll() is not None,
            within=90,
            what=f"the end of {self.process.args}",
        )
        if self.process.returncode != -signal.SIGKILL:
            raise AssertionError(f"it ended by itself\n{self.log}")

    def is_stopped(self) -> bool:
        """Tell whether it is frozen."""
        status = Path(f"/proc/{self.process.pid}/stat").read_text()
        return status.rpartition(")")[2].split()[0] == "T"

    def thaw(self) -> None:
        """Let it go on."""
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        """End it, whatever state it is in."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait()
