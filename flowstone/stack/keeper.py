"""Keep one server for as long as its owner lives; run as a script of its own.

A keeper stands between the owner and the server because no signal alone will do: a
parent-death signal fires when the *thread* that forked ends, cannot insist, and
is unknown to macOS. The keeper has one thread, sees its owner end however that
happens, insists with SIGKILL, and reaps whatever the server leaves behind.

The order is the only argument, in JSON. The keeper prints the server's process id on
a line of its own; then every byte it reads is a signal to send on, and the end of its
input asks it to stop the server. It ends when the server has ended. It imports
nothing of the package, so that it starts in a few milliseconds.
"""

import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import time
from typing import TypedDict

__all__ = ["Order", "main"]

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_LOOK_AT_OWNER_EVERY = 1.0


class Order(TypedDict):
    """What the owner asks for."""

    command: list[str]
    owner: int
    user: int | None
    group: int | None
    lock: int
    stop_signal: int
    grace: float
    litter: list[str]


def main() -> None:
    """Start the server, watch over it, and end with its exit status."""
    order: Order = json.loads(sys.argv[1])
    wake = _wake_on_signals()
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    server = _start(order)
    os.write(sys.stdout.fileno(), f"{server.pid}\n".encode())
    _watch(server, order, wake)
    _end_orphans()
    _sweep(order["litter"])
    status = server.returncode
    os._exit(status if status >= 0 else 128 - status)


def _wake_on_signals() -> int:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for name in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda _signal, _frame: None)
    return reader


def _start(order: Order) -> subprocess.Popen[bytes]:
    keeper = os.getpid()

    def end_with_keeper() -> None:
        # after the change of user, which would clear it
        _prctl(_PR_SET_PDEATHSIG, order["stop_signal"])
        if os.getppid() != keeper:
            os._exit(1)

    return subprocess.Popen(  # noqa: S603 - the owner's own command
        order["command"],
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr.fileno(),
        stderr=sys.stderr.fileno(),
        cwd="/",
        user=order["user"],
        group=order["group"],
        extra_groups=None if order["user"] is None else [],
        # the server shares the lock: it is free only when nothing of it is left
        pass_fds=[order["lock"]],
        start_new_session=True,
        preexec_fn=end_with_keeper,  # noqa: PLW1509 - there is one thread here
    )


def _watch(server: subprocess.Popen[bytes], order: Order, wake: int) -> None:
    stdin = sys.stdin.fileno()
    deadline = float("inf")
    while server.poll() is None:
        left = max(0.0, deadline - time.monotonic())
        watched = [wake] if deadline < float("inf") else [wake, stdin]
        ready = select.select(watched, [], [], min(left, _LOOK_AT_OWNER_EVERY))[0]
        woken = os.read(wake, 64) if wake in ready else b""
        asked = os.read(stdin, 64) if stdin in ready else None
        for number in asked or b"":
            server.send_signal(number)
        if deadline == float("inf") and _must_stop(order, woken, asked):
            server.send_signal(order["stop_signal"])
            server.send_signal(signal.SIGCONT)  # one that is frozen would not hear
            deadline = time.monotonic() + order["grace"]
        elif time.monotonic() >= deadline:
            server.kill()
            deadline = time.monotonic() + order["grace"]


def _must_stop(order: Order, woken: bytes, asked: bytes | None) -> bool:
    told = signal.SIGTERM in woken or signal.SIGINT in woken
    return told or asked == b"" or os.getppid() != order["owner"]


def _end_orphans() -> None:
    # what outlives its server (a backend busy in a query) would still hold its
    # memory and its lock, and the next start would have to wait for it
    while True:
        for pid in _children():
            os.kill(pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _sweep(litter: list[str]) -> None:
    for path in litter:
        try:
            os.unlink(path)
        except OSError:  # it was removed by the server, or never made
            continue


def _children() -> list[int]:
    if sys.platform != "linux":
        return []
    found: list[int] = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as stat:
                parent = stat.read().rpartition(")")[2].split()[1]
        except OSError:  # it ended meanwhile
            continue
        if int(parent) == os.getpid():
            found.append(int(name))
    return found


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    main()
