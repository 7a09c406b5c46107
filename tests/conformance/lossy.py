"""A wire to Postgres that can be cut in the middle of a commit."""

from __future__ import annotations

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Literal

from sqlalchemy import make_url

__all__ = ["Loss", "Wire", "wired"]

Loss = Literal["the commit", "its answer", "time"]
_COMMIT = b"COMMIT\x00"


class Wire:
    """Passes bytes on, and counts commits; the one that is named is lost.

    Args:
        host: where Postgres is.
        port: and at which port.
    """

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._lock = threading.Lock()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._loss: Loss | None = None
        self._nth = 0
        self.commits = 0
        self.lost = 0
        self.held = threading.Event()
        self.go = threading.Event()

    @property
    def port(self) -> int:
        """Where clients connect."""
        return int(self._listening.getsockname()[1])

    def cut(self, loss: Loss, nth: int = 1) -> None:
        """Lose the nth commit from now on, or what the server answers to it.

        Where only time is lost, the commit waits on the wire: `held` tells that it
        is there, `go` lets it pass.
        """
        with self._lock:
            self._loss, self._nth, self.commits = loss, nth, 0

    def serve(self) -> None:
        """Take connections until the wire is closed."""
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            server = socket.create_connection(self._server)
            for pump in (self._ask, self._answer):
                threading.Thread(
                    target=pump, args=(client, server), daemon=True
                ).start()

    def close(self) -> None:
        """Take no more connections."""
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _answer(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(1 << 16):
                client.sendall(data)
        _end(client, server)

    def _ask(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(1 << 16):
                if _COMMIT in data and self._is_lost():
                    if self._loss != "time":
                        self._lose(client, server, data)
                        return
                    self.held.set()
                    self.go.wait(30)
                server.sendall(data)
        _end(client, server)

    def _is_lost(self) -> bool:
        with self._lock:
            self.commits += 1
            lost = self._loss is not None and self.commits == self._nth
            self.lost += lost
            return lost

    def _lose(self, client: socket.socket, server: socket.socket, data: bytes) -> None:
        # Nothing that the server says from now on arrives.
        client.shutdown(socket.SHUT_RDWR)
        if self._loss == "its answer":
            server.sendall(data)
            server.shutdown(socket.SHUT_WR)
        else:
            _end(client, server)


def _end(*ends: socket.socket) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


@contextmanager
def wired(url: str) -> Generator[tuple[Wire, str]]:
    """Give a wire to a Postgres, and the URL at its other end."""
    parsed = make_url(url)
    wire = Wire(parsed.host or "127.0.0.1", parsed.port or 5432)
    threading.Thread(target=wire.serve, daemon=True).start()
    try:
        through = parsed.set(host="127.0.0.1", port=wire.port)
        yield wire, through.render_as_string(hide_password=False)
    finally:
        wire.close()
