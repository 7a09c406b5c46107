"""What a server keeps in its folder beside its data: a lock, a state, a log."""

import contextlib
import fcntl
import json
import os
import sys
import time
from pathlib import Path
from typing import cast

from flowstone.core.errors import ConfigurationError

__all__ = [
    "State",
    "alive",
    "forget",
    "fresh_log",
    "lock",
    "log_end",
    "read_state",
    "write_private",
    "write_state",
]

State = dict[str, str | int]
"""What is remembered from one start to the next: ports, password, places."""

_HOLDER_MAY_BE_LEAVING = 1.0
_SERVERS_MAY_BE_STOPPING = 30.0
_FILES = ("lock", "state.json", "server.log", "server.log.old")


def lock(folder: Path) -> int:
    """Make and take the folder for this process; give the descriptor that holds it.

    Whoever inherits the descriptor holds it too: the lock outlives an owner that was
    killed until the last process of its server has ended. Such a one is waited for;
    an owner that lives is named.
    """
    while True:
        handle = _open_lock(folder)
        _await_lock(folder, handle)
        if _is_in_place(folder, handle):
            break
        os.close(handle)  # the former holder removed the folder
    os.ftruncate(handle, 0)
    os.pwrite(handle, str(os.getpid()).encode(), 0)
    return handle


def _open_lock(folder: Path) -> int:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        problem = f"The folder {str(folder)!r} cannot be used: {error.strerror}."
        raise ConfigurationError(problems=[problem]) from error


def _await_lock(folder: Path, handle: int) -> None:
    began = time.monotonic()
    while not _locked(handle):
        holder = int(os.pread(handle, 32, 0) or 0)
        lives = alive(holder)
        patience = _HOLDER_MAY_BE_LEAVING if lives else _SERVERS_MAY_BE_STOPPING
        if time.monotonic() - began > patience:
            os.close(handle)
            raise ConfigurationError(problems=[_taken(folder, holder, lives)])
        time.sleep(0.02)


def _is_in_place(folder: Path, handle: int) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), (folder / "lock").stat())
    except FileNotFoundError:
        return False


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _taken(folder: Path, holder: int, lives: bool) -> str:
    if not lives:
        return (
            f"A server that process {holder} started in {str(folder)!r} outlives it. "
            "End that server, or use another folder."
        )
    who = "this process" if holder == os.getpid() else f"process {holder}"
    return (
        f"The folder {str(folder)!r} is in use by {who} (pid {holder}). "
        "Stop that one, or use another folder."
    )


def alive(pid: int) -> bool:
    """Say whether the process runs; one that ended and was not reaped does not."""
    try:
        os.kill(pid, 0)
        if sys.platform == "linux":
            stat = Path(f"/proc/{pid}/stat").read_text()
            return stat.rpartition(")")[2].split()[0] not in {"Z", "X"}
    except (ProcessLookupError, FileNotFoundError):
        return False
    except PermissionError:
        return True
    return True


def read_state(folder: Path) -> State:
    """Read what the last start left, nothing before the first."""
    path = folder / "state.json"
    try:
        found: object = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except ValueError:
        found = None
    if isinstance(found, dict):
        return cast("State", found)  # only write_state writes it
    raise ConfigurationError(
        problems=[f"{str(path)!r} is damaged. Restore it, or use another folder."]
    )


def write_state(folder: Path, state: State) -> None:
    """Replace the state at once; it holds a password, so only its owner may read."""
    write_private(folder / "state.json", json.dumps(state, indent=2))


def write_private(path: Path, text: str) -> None:
    """Replace a file at once by one that only its owner may read."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def fresh_log(folder: Path) -> Path:
    """Give the path of an empty log, so that its end speaks of this start only."""
    log = folder / "server.log"
    if log.exists():
        log.replace(folder / "server.log.old")
    log.touch()
    return log


def log_end(log: Path, *, lines: int = 15) -> str:
    """Give the last lines of the log."""
    found = log.read_bytes()[-20_000:].decode(errors="replace").splitlines()
    return "\n".join(found[-lines:])


def forget(folder: Path) -> None:
    """Delete what this module made, and the folder where nothing else is in it."""
    for name in _FILES:
        (folder / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()
