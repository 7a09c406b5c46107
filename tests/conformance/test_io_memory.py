"""A stream of any size needs little memory, on its way in and on its way out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from flowstone.stack import S3Server
from tests.house.source import ROOT

_MEASURED = "dev.benchmarks.streaming"
_MIB = 256
_MOST = 200
"""MiB above an idle process, less than what is streamed; `dev/bench io` streams more."""


@pytest.mark.service
@pytest.mark.timeout(180)
@pytest.mark.parametrize("kind", ["s3", "parquet", "parquet-s3"])
def test_streams_need_little_memory(
    kind: str, tmp_path: Path, s3_server: S3Server
) -> None:
    """A file and batches are stored and read in less memory than they have bytes."""
    told = subprocess.check_output(
        [sys.executable, "-m", _MEASURED, kind, str(_MIB), str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, **s3_server.environment()},
    )
    peak: dict[str, float] = json.loads(told)
    assert len(peak) == (2 if kind == "parquet-s3" else 4)
    assert {name: most for name, most in peak.items() if most > _MOST} == {}
