"""The servers as one: started together, found by one environment, stopped together."""

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from flowstone.core.errors import ConfigurationError
from flowstone.stack.folder import forget, lock
from flowstone.stack.postgres import PostgresServer
from flowstone.stack.s3 import S3Server
from flowstone.stack.server import Server
from flowstone.stack.temporal import TemporalServer

__all__ = ["Stack"]

_Server = TypeVar("_Server", PostgresServer, TemporalServer, S3Server)


class Stack:
    """A Temporal development server, a PostgreSQL and, if asked for, an S3 server.

    For development, tests and the demonstration: production brings servers of its own.
    What an address is given for is used and not started.

    Example:
        ```python
        with Stack(Path(".flowstone")) as stack:
            subprocess.run(worker, env={**os.environ, **stack.environment()})
        ```
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        temporal: str | None = None,
        ledger_url: str | None = None,
        s3: bool = False,
        s3_endpoint: str | None = None,
        ui: bool = True,
        namespace: str = "default",
        dynamic_config: Mapping[str, object] | None = None,
    ) -> None:
        """Describe the stack; `start`, or entering it, starts it.

        Args:
            folder: Where data, logs and ports are kept; None is a temporary folder,
                removed at the stop.
            temporal: The address of a running Temporal to use instead.
            ledger_url: The address of a running PostgreSQL to use instead.
            s3: Whether there is to be an S3 too.
            s3_endpoint: The address of a running S3 to use instead, with the keys that
                the environment has for it.
            ui: Whether Temporal's web page is served.
            namespace: The namespace to work in.
            dynamic_config: Further dynamic configuration of Temporal, by key.
        """
        self.namespace = namespace
        self.folder = folder if folder is None else folder.resolve()
        self.postgres: PostgresServer | None = None
        self.temporal: TemporalServer | None = None
        self.s3: S3Server | None = None
        self._given_temporal = temporal
        self._given_ledger = ledger_url
        self._given_s3 = s3_endpoint
        self._wants_s3 = s3 and s3_endpoint is None
        self._ui = ui
        self._dynamic = dynamic_config
        self._held: int | None = None

    @property
    def servers(self) -> Sequence[Server]:
        """What was started."""
        found = (self.postgres, self.temporal, self.s3)
        return [server for server in found if server is not None]

    @property
    def temporal_address(self) -> str:
        """The host and port of Temporal."""
        if self._given_temporal is not None:
            return self._given_temporal
        return _started(self.temporal).address

    @property
    def ui_url(self) -> str | None:
        """The address of Temporal's web page, where this stack serves one."""
        if self._given_temporal is not None:
            return None
        return _started(self.temporal).ui_url

    @property
    def ledger_url(self) -> str:
        """The address of the ledger's database, as SQLAlchemy takes it."""
        if self._given_ledger is not None:
            return self._given_ledger
        return _started(self.postgres).url

    @property
    def s3_endpoint(self) -> str | None:
        """The address of S3, where there is one."""
        if self._wants_s3:
            return _started(self.s3).endpoint
        return self._given_s3

    def environment(self) -> dict[str, str]:
        """Give the variables by which a worker or client process finds the stack."""
        found = {
            "TEMPORAL_ADDRESS": self.temporal_address,
            "TEMPORAL_NAMESPACE": self.namespace,
            "FLOWSTONE_LEDGER_URL": self.ledger_url,
        }
        if self._wants_s3:
            return {**found, **_started(self.s3).environment()}
        if self._given_s3 is not None:
            found["FLOWSTONE_S3_ENDPOINT"] = self._given_s3
        return found

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start what no address was given for, at once; all of it or nothing."""
        if self._held is not None:
            raise ConfigurationError(problems=["The stack runs already."])
        given = self._given_temporal is not None and self._given_ledger is not None
        if given and not self._wants_s3:
            return
        folder = self.folder or Path(tempfile.mkdtemp(prefix="flowstone-"))
        self._held = lock(folder)
        if self._given_ledger is None:
            self.postgres = PostgresServer(folder / "postgres")
        if self._given_temporal is None:
            self.temporal = TemporalServer(
                folder / "temporal",
                namespace=self.namespace,
                ui=self._ui,
                dynamic_config=self._dynamic,
            )
        if self._wants_s3:
            self.s3 = S3Server(folder / "s3")
        try:
            _at_once([server.start for server in self.servers])
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop what was started, at once; twice is no error."""
        if self._held is None:
            return
        servers = self.servers
        try:
            if self.folder is None:
                _at_once([server.remove for server in servers])
                forget(servers[0].folder.parent)
            else:
                _at_once([server.stop for server in servers])
        finally:
            os.close(self._held)
            self._held = None

    def remove(self) -> None:
        """Stop the stack and delete the data in its folder for good."""
        self.stop()
        if self.folder is None or not self.folder.exists():
            return
        held = lock(self.folder)
        try:
            PostgresServer(self.folder / "postgres").remove()
            TemporalServer(self.folder / "temporal").remove()
            S3Server(self.folder / "s3").remove()
            forget(self.folder)
        finally:
            os.close(held)


def _started(server: _Server | None) -> _Server:
    if server is None:
        raise ConfigurationError(problems=["The stack has not been started."])
    return server


def _at_once(actions: Sequence[Callable[[], None]]) -> None:
    """Run all, wait for all, and raise what failed; all problems at once."""
    problems: list[str] = []
    with ThreadPoolExecutor(len(actions)) as threads:
        futures = [threads.submit(action) for action in actions]
        for future in futures:
            try:
                future.result()
            except ConfigurationError as error:
                problems.extend(error.problems)
    if problems:
        raise ConfigurationError(problems=problems)
