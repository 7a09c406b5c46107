"""A real Temporal development server on free ports, its data in a folder."""

import http.client
import json
import os
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from flowstone.stack.binaries import find_temporal
from flowstone.stack.folder import State
from flowstone.stack.kept import Launch
from flowstone.stack.ports import HOST
from flowstone.stack.server import Server

__all__ = ["TemporalServer"]

_DATABASE = "temporal.db"
_RETENTION = f"{720 * 3600}s"
_SEARCH_ATTRIBUTES = ("FlowstoneAsset=Keyword", "FlowstonePartition=Keyword")
# the default ones of a file cost 1.4 to 3.7 times as much
_PRAGMAS = ("journal_mode=wal", "synchronous=1")
_NO_NEWS = "--ui-disable-news-fetch"
_DYNAMIC: Mapping[str, object] = {
    # by default every workflow task waits up to 50 ms for the next look at the queue
    "history.transferProcessorMaxPollRPS": 2000,
    "history.timerProcessorMaxPollRPS": 2000,
    # by default a timer that is due, or is skipped to, may fire a second late
    "history.timerProcessorMaxTimeShift": "10ms",
    "frontend.WorkflowTimeSkippingEnabled": True,
}


class TemporalServer(Server):
    """Temporal's development server, with its web page, its data in a folder.

    Example:
        ```python
        server = TemporalServer(Path(".flowstone/temporal"))
        server.start()
        server.address  # 127.0.0.1:20346
        server.ui_url  # http://127.0.0.1:20347
        server.stop()
        ```
    """

    name = "Temporal"

    def __init__(
        self,
        folder: Path,
        *,
        namespace: str = "default",
        ui: bool = True,
        dynamic_config: Mapping[str, object] | None = None,
        program: Path | None = None,
    ) -> None:
        super().__init__(folder)
        self.namespace = namespace
        self._ui = ui
        self._dynamic = {**_DYNAMIC, **(dynamic_config or {})}
        self._program = program
        self._options = [_NO_NEWS]

    @property
    def address(self) -> str:
        """The host and port of its gRPC interface, as clients take it."""
        return f"{HOST}:{self._port('port')}"

    @property
    def ui_url(self) -> str | None:
        """The address of its web page, if it has one."""
        return f"http://{HOST}:{self._port('ui_port')}" if self._ui else None

    def _delete_data(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            (self.folder / f"{_DATABASE}{suffix}").unlink(missing_ok=True)

    def _port_names(self) -> Sequence[str]:
        names = ["port", "http_port", "metrics_port"]
        return [*names, "ui_port"] if self._ui else names

    def _prepare(self, state: State, held: int) -> None:
        del state, held  # it makes its database itself
        self._program = self._program or find_temporal()

    def _launch(self, log: Path, held: int) -> Launch:
        return Launch(
            command=[
                *(str(self._program), "server", "start-dev", "--ip", HOST),
                *("--port", str(self._ports["port"])),
                *("--http-port", str(self._ports["http_port"])),
                *("--metrics-port", str(self._ports["metrics_port"])),
                *self._page(),
                *("--db-filename", str(self.folder / _DATABASE)),
                *("--namespace", self.namespace, "--log-level", "error"),
                *_each("--sqlite-pragma", _PRAGMAS),
                *_each("--search-attribute", _SEARCH_ATTRIBUTES),
                *_each(
                    "--dynamic-config-value",
                    [f"{k}={json.dumps(v)}" for k, v in self._dynamic.items()],
                ),
            ],
            environment=self._environment(),
            log=log,
            lock=held,
            stop_signal=signal.SIGTERM,
        )

    def _environment(self) -> dict[str, str]:
        # settings meant for clients (TEMPORAL_ADDRESS, TEMPORAL_TLS) would be taken
        # up, from the environment as from the files in the user's home
        home = {"HOME": str(self.folder), "XDG_CONFIG_HOME": str(self.folder)}
        names = [k for k in os.environ if not k.startswith("TEMPORAL_")]
        return {k: os.environ[k] for k in names} | home

    def _page(self) -> list[str]:
        if not self._ui:
            return ["--headless"]
        return ["--ui-port", str(self._ports["ui_port"]), *self._options]

    def _mend(self, log: str) -> bool:
        if f"unknown flag: {_NO_NEWS}" in log and self._options:
            self._options = []  # a program older than the flag
            return True
        return super()._mend(log)

    def _ready(self) -> bool:
        found = self._call("GET", "")
        if found is None or (self._ui and not _listens(self._ports["ui_port"])):
            return False
        if _RETENTION not in found:
            change = {"config": {"workflowExecutionRetentionTtl": _RETENTION}}
            if self._call("POST", "/update", change) is None:
                return False
        return self._serves()

    def _call(self, verb: str, path: str, body: object = None) -> str | None:
        # over HTTP: the client library would bring threads into this process that
        # can spoil its exit
        connection = http.client.HTTPConnection(
            HOST, self._ports["http_port"], timeout=10
        )
        try:
            connection.request(
                verb,
                f"/api/v1/namespaces/{self.namespace}{path}",
                None if body is None else json.dumps(body),
            )
            answer = connection.getresponse()
            text = answer.read().decode()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()
        return text if answer.status == http.client.OK else None

    def _serves(self) -> bool:
        address = f"{HOST}:{self._ports['port']}"
        done = subprocess.run(  # noqa: S603 - the program that was found
            [
                *(str(self._program), "operator", "cluster", "health"),
                *("--address", address, "--command-timeout", "10s"),
            ],
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        return done.returncode == 0 and b"SERVING" in done.stdout


def _each(option: str, values: Sequence[str]) -> list[str]:
    return [word for value in values for word in (option, value)]


def _listens(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=5).close()
    except OSError:
        return False
    return True
