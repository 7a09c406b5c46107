"""What the servers of the stack have in common: a folder, ports, a keeper."""

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from flowstone.core.errors import ConfigurationError
from flowstone.stack.folder import (
    State,
    forget,
    fresh_log,
    lock,
    log_end,
    read_state,
    write_state,
)
from flowstone.stack.kept import Kept, Launch
from flowstone.stack.ports import free_port, is_free

__all__ = ["Server"]

_TRIES = 5
_READY_WITHIN = 120.0  # recovery after a crash may take its time
_LOOK_EVERY = 0.02


class Server(ABC):
    """One server: started, stopped, killed, and started again on the same port."""

    name: str
    """How messages call it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._ports: dict[str, int] = {}
        self._kept: Kept | None = None

    @property
    def pid(self) -> int:
        """The process id of the server, of the latest start."""
        return self._started().pid

    @property
    def running(self) -> bool:
        """Say whether the server runs."""
        return self._kept is not None and self._kept.running

    def start(self) -> None:
        """Start the server and return when it answers.

        The ports of an earlier start are taken again: by this object in any case, by
        another one of the same folder where they are still free.
        """
        if self._kept is not None:
            # one that was killed from outside may be ending still
            if not self._kept.wait(timeout=2):
                raise ConfigurationError(problems=[f"{self.name} runs already."])
            self._kept.stop()
        held = lock(self.folder)
        try:
            self._kept = self._start(held)
        finally:
            os.close(held)  # from here on it is the keeper's

    def stop(self) -> None:
        """Stop the server in good order and wait for its end; twice is no error."""
        if self._kept is not None:
            self._kept.stop()

    def kill(self) -> None:
        """End the server by SIGKILL, as a crash would, and wait for its end."""
        self._started().kill()

    def restart(self) -> None:
        """Stop the server where it runs, and start it on the same port and data."""
        self.stop()
        self.start()

    def remove(self) -> None:
        """Stop the server and delete its data for good, whoever started it last."""
        self.stop()
        if not self.folder.exists():
            return
        held = lock(self.folder)
        try:
            self._delete_data()
            forget(self.folder)
        finally:
            os.close(held)

    @abstractmethod
    def _delete_data(self) -> None:
        """Delete what the server itself made."""

    @abstractmethod
    def _port_names(self) -> Sequence[str]:
        """Name the ports it listens on, as the state file does."""

    @abstractmethod
    def _prepare(self, state: State, held: int) -> None:
        """Make what must exist before the first try, and note it in the state."""

    @abstractmethod
    def _launch(self, log: Path, held: int) -> Launch:
        """Say how it is started, on the ports of `_port`."""

    @abstractmethod
    def _ready(self) -> bool:
        """Say whether it answers; called again and again until it does."""

    def _mend(self, log: str) -> bool:
        """Say whether another try may work after one that ended with this log."""
        return "address already in use" in log.lower()

    def _port(self, name: str) -> int:
        self._started()
        return self._ports[name]

    def _started(self) -> Kept:
        if self._kept is None:
            raise ConfigurationError(problems=[f"{self.name} has not been started."])
        return self._kept

    def _start(self, held: int) -> Kept:
        state = read_state(self.folder)
        self._prepare(state, held)
        pinned = dict(self._ports)
        for _ in range(_TRIES):
            self._ports = pinned or self._choose_ports(state)
            write_state(self.folder, state | self._ports)
            self._kept = Kept(self._launch(fresh_log(self.folder), held))
            answers = False
            try:
                answers = self._wait_ready(self._kept)
            finally:
                if not answers:
                    self._kept.stop()
                    self._ports = pinned
            if answers:
                return self._kept
            if not self._mend(log_end(self._kept.log)):
                break
            time.sleep(0.1)
        raise ConfigurationError(problems=[self._failure("ended at its start")])

    def _choose_ports(self, state: State) -> dict[str, int]:
        ports: dict[str, int] = {}
        for name in self._port_names():
            known = state.get(name)
            if not isinstance(known, int) or not is_free(known):
                known = free_port(but=set(ports.values()))
            ports[name] = known
        return ports

    def _wait_ready(self, kept: Kept) -> bool:
        deadline = time.monotonic() + _READY_WITHIN
        while kept.running:
            if self._ready():
                return True
            if time.monotonic() > deadline:
                late = f"did not answer within {_READY_WITHIN:.0f} s"
                raise ConfigurationError(problems=[self._failure(late)])
            time.sleep(_LOOK_EVERY)
        return False

    def _failure(self, what: str) -> str:
        log = self._started().log
        return f"{self.name} {what}. The end of {str(log)!r}:\n{log_end(log)}"
