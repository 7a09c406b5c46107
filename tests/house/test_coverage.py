"""What decides is tested on its own floor: every branch of core and of flows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.source import ROOT


@pytest.mark.timeout(240)
def test_every_branch_that_decides_is_tested(tmp_path: Path) -> None:
    """Their unit tests reach all of core and flows, without anything drawn by lot."""
    command = (
        "-m pytest tests/unit/core tests/unit/flows -q -p no:cacheprovider "
        "--cov=flowstone.core --cov=flowstone.flows --cov-branch --cov-fail-under=100 "
        "--cov-report=term-missing:skip-covered"
    )
    plain = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("COV", "PYTEST_"))
    }

    found = subprocess.run(
        [sys.executable, *command.split(), "-m", "not hypothesis"],
        cwd=ROOT,
        env={**plain, "COVERAGE_FILE": str(tmp_path / "coverage")},
        check=False,
        capture_output=True,
        text=True,
    )

    assert found.returncode == 0, found.stdout[-4_000:] + found.stderr[-1_000:]
