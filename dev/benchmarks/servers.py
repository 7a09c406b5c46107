"""The processes of the benchmark: started, awaited until they serve, ended."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

__all__ = ["child_environment", "libpq_url", "serving"]

_ROOT = Path(__file__).resolve().parents[2]
_PATIENCE = 30


@contextmanager
def serving(
    command: Sequence[str], *, environment: Mapping[str, str], log: Path
) -> Generator[subprocess.Popen[str]]:
    """Run a program that says one line when it serves, and end it with its input.

    Raises:
        RuntimeError: it ended instead of serving.
    """
    with log.open("w") as errors:
        process = subprocess.Popen(
            command,
            cwd=_ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        try:
            if not _pipe(process.stdout).readline():
                raise RuntimeError(f"{command} did not serve:\n{log.read_text()}")  # noqa: EM102
            yield process
        finally:
            _end(process)


def _pipe(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for stream in (process.stdin, process.stdout):
        _pipe(stream).close()


def child_environment() -> dict[str, str]:
    """Give the environment of a program of this checkout.

    Python may keep its bytecode there, as it may where a package is installed: without,
    a workflow's sandbox compiles its modules anew for each workflow.
    """
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPATH": str(_ROOT)}


def libpq_url(url: str) -> str:
    """Give the address of a database as psycopg takes it."""
    return url.replace("postgresql+psycopg://", "postgresql://", 1)
