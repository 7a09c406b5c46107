"""Transcripts as plain files: what a flow commands, compared to the letter."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from tests.unit.flows.scripted import Played

__all__ = ["check"]

_HOME = Path(__file__).parent / "transcripts"
_WHY = """\
The flow no longer gives the commands of {path}.

A workflow that began before this change is replayed by it: another order of steps,
timers or children than in its history stops it for good. So either

- take the change of order back; or
- where it is meant, guard it: `if workflow.patched("name-of-the-change"):` in
  flowstone/engines/temporal, handed to the flow by its engine, with the old order kept
  for as long as runs of the release before may live. Then write this transcript anew
  (FLOWSTONE_WRITE_TRANSCRIPTS=1), and read the difference before committing it.

{difference}"""


def check(name: str, played: Played) -> None:
    """Compare a play with its file; no task may be left behind either."""
    path = _HOME / f"{name}.txt"
    if os.environ.get("FLOWSTONE_WRITE_TRANSCRIPTS"):
        path.write_text(played.transcript)
    expected = path.read_text() if path.exists() else ""
    difference = "\n".join(
        difflib.unified_diff(
            expected.splitlines(),
            played.transcript.splitlines(),
            "as it was",
            "as it is",
            lineterm="",
        )
    )
    assert not difference, _WHY.format(path=path.name, difference=difference)
    assert played.left == 0, f"{played.left} tasks outlive the flow"
