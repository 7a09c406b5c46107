"""Points at which a crash test may stop a process for real."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from tests.house.source import ROOT

CODE = (
    "from flowstone.steps.points import reach\n"
    "for n in range(5):\n"
    "    reach('commit.before'); reach('commit.after'); print(n, flush=True)\n"
)


def passed(**environment: str) -> tuple[int, list[str]]:
    """Run a process that passes two points five times; give its end and its words."""
    found = subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=ROOT,
        env={**os.environ, **environment},
        check=False,
        capture_output=True,
        text=True,
    )
    return found.returncode, found.stdout.split()


def test_a_point_costs_nothing_where_nobody_named_it() -> None:
    """A process passes all points, but for those of the environment."""
    assert passed() == (0, list("01234"))
    assert passed(FLOWSTONE_CRASH_AT="elsewhere:1") == (0, list("01234"))


@pytest.mark.parametrize(
    ("where", "said"), [("commit.before", ""), ("commit.after:3", "01")]
)
def test_a_process_ends_at_the_point_that_was_named(where: str, said: str) -> None:
    """The process is killed at the pass that was asked for, by default the first."""
    assert passed(FLOWSTONE_CRASH_AT=where) == (-signal.SIGKILL, list(said))
