"""Find free ports on the loopback interface."""

import contextlib
import secrets
import socket

__all__ = ["HOST", "free_port", "is_free"]

HOST = "127.0.0.1"

# Below the ranges from which systems take the local ends of outgoing connections:
# there, a client that retries while its server is down can be given the server's port.
_RANGE = range(15_000, 32_000)


def free_port(*, but: set[int]) -> int:
    """Pick a port that nothing listens on, and that is not in `but`.

    By chance rather than in turn, so that stacks that start together do not meet.
    """
    for _ in range(200):
        port = secrets.choice(_RANGE)
        if port not in but and is_free(port):
            return port
    with contextlib.closing(socket.socket()) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    """Say whether a server could listen on the port now."""
    with contextlib.closing(socket.socket()) as probe:
        # as servers do: connections of an earlier one that linger are no hindrance
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError:
            return False
    return True
