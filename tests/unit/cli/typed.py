"""The command line in tests: typed, and what it said."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["APP", "ROOT", "Said", "Type", "shell", "started"]

ROOT = Path(__file__).parents[3]
APP = "tests.unit.cli.shop:app"


@dataclass(frozen=True, slots=True)
class Said:
    """What a command said, and its exit status."""

    status: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """The one JSON value that all of stdout is."""
        return json.loads(self.out)

    @property
    def error(self) -> str:
        """The line that says what went wrong."""
        lines = [line for line in self.err.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1, self.err
        assert "Traceback" not in self.err
        return lines[0].removeprefix("error: ")


Type = Callable[..., Said]
"""Types words, in this process."""


def started(
    *words: str, env: Mapping[str, str] | None = None, cwd: Path = ROOT
) -> subprocess.Popen[str]:
    """Start the command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "flowstone.cli", *words],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def shell(*words: str, env: Mapping[str, str] | None = None, cwd: Path = ROOT) -> Said:
    """Type words in a process of its own."""
    with started(*words, env=env, cwd=cwd) as process:
        out, err = process.communicate(timeout=50)
    return Said(process.returncode, out, err)
