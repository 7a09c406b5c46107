"""Where an app lives in this process: a folder, and the sign that somebody is there."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from flowstone.ledger.ids import new_id
from flowstone.steps.toolbox import Toolbox

__all__ = ["bury", "folder_at", "sign_of_life"]


@contextmanager
def folder_at(path: str | Path | None) -> Generator[Path]:
    """Give the folder at a path, or one that is removed in the end."""
    if path is not None:
        folder = Path(path).expanduser().resolve()
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        return
    folder = Path(tempfile.mkdtemp(prefix="flowstone-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def sign_of_life(folder: Path) -> Generator[str]:
    """Hold a lock that ends with this process, whatever ends it."""
    owner = new_id()
    alive = folder / "alive"
    alive.mkdir(exist_ok=True)
    file = alive / owner
    with file.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        try:
            yield owner
        finally:
            file.unlink(missing_ok=True)


def bury(toolbox: Toolbox, folder: Path, owner: str) -> None:
    """End the runs of processes that are gone: what waited there is abandoned."""
    for run in toolbox.ledger.outbox.live(toolbox.name):
        if run.owner and run.owner != owner and _is_dead(folder / "alive" / run.owner):
            toolbox.end(run, "terminated", reason="its process ended")


def _is_dead(file: Path) -> bool:
    try:
        with file.open() as held:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.unlink(missing_ok=True)
            return True
    except FileNotFoundError:
        return True
    except OSError:
        return False
