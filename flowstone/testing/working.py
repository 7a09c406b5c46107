"""Workers in processes of their own, which can be killed, frozen and thawed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from flowstone.testing.disturbing import Disturbance

__all__ = ["WorkerProcess", "worker_process"]

_START, _END = 30.0, 90.0


class WorkerProcess:
    """A worker in a process of its own.

    Args:
        app: what it serves, as `package.module:name`.
        folder: where its log goes.
        environment: beside this process's own.
        command: what starts it; the app comes behind.
        cwd: where it is started; by default here.
    """

    def __init__(
        self,
        app: str,
        folder: Path,
        environment: Mapping[str, str],
        *,
        command: Sequence[str] = ("-m", "flowstone.testing.worker"),
        cwd: Path | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._log = folder / f"worker-{time.monotonic_ns()}.log"
        here = {"PYTHONPATH": os.pathsep.join(filter(None, [os.getcwd(), *sys.path]))}
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, *command, app],
                cwd=cwd,
                env={**os.environ, **here, **environment},
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )

    @property
    def log(self) -> str:
        """What it has said."""
        return self._log.read_text()

    def wait_ready(self) -> Self:
        """Wait until it serves.

        Raises:
            AssertionError: it does not, or ended by itself.
        """
        self._wait(
            lambda: "serving" in self.log or self.process.poll() is not None,
            _START,
            "its start",
        )
        if self.process.poll() not in {None, -signal.SIGKILL}:
            raise AssertionError(f"The worker ended by itself:\n{self.log}")
        return self

    def wait_killed(self) -> None:
        """Wait until it was killed, by itself or by the test.

        Raises:
            AssertionError: it was not, or ended by itself.
        """
        self._wait(lambda: self.process.poll() is not None, _END, "its end")
        if self.process.returncode != -signal.SIGKILL:
            raise AssertionError(f"The worker ended by itself:\n{self.log}")

    def wait_frozen(self) -> None:
        """Wait until it is frozen.

        Raises:
            AssertionError: it is not.
        """
        self._wait(self.is_stopped, _END, "the freeze")

    def _wait(self, check: Callable[[], bool], within: float, what: str) -> None:
        ends = time.monotonic() + within
        while not check():
            if time.monotonic() > ends:
                raise AssertionError(
                    f"The worker was waited for {within:g} s, for {what}:\n{self.log}"
                )
            time.sleep(0.05)

    def is_stopped(self) -> bool:
        """Tell whether it is frozen."""
        state = subprocess.run(
            ["ps", "-o", "stat=", "-p", str(self.process.pid)],  # noqa: S607
            capture_output=True,
            check=False,
            text=True,
        )
        return state.stdout.startswith("T")

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


@contextmanager
def worker_process(
    app: str,
    *disturbed: Disturbance,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Generator[WorkerProcess]:
    """Serve an app from a process of its own, for as long as the block lasts.

    Temporal and the ledger are found as ever: by `TEMPORAL_ADDRESS` and
    `FLOWSTONE_LEDGER_URL`, in this process's environment or in `environment`. It
    comes back when the worker serves, or was killed by what disturbs it.

    Args:
        app: the app, as `package.module:name`.
        *disturbed: what is to happen to it: `crash_at(...)`, `freeze_at(...)`.
        environment: beside this process's own.
        folder: where its log goes; by default a temporary one.

    Raises:
        AssertionError: it ended by itself, and not as it should.

    Example:
        ```python
        with worker_process("shop:app", crash_at("commit.before")) as doomed:
            run = await stone.materialize_all(report)
            await asyncio.to_thread(doomed.wait_killed)
        with worker_process("shop:app"):
            assert await run.result() == "3 rows"
        ```
    """
    told = dict(environment or {})
    for one in disturbed:
        told |= one.environment
    with tempfile.TemporaryDirectory(prefix="flowstone-") as scratch:
        worker = WorkerProcess(app, folder or Path(scratch), told)
        try:
            yield worker.wait_ready()
        finally:
            worker.end()
