"""A real PostgreSQL on a free port, its data in a folder."""

import os
import secrets
import signal
from collections.abc import Sequence
from pathlib import Path

from flowstone.core.errors import ConfigurationError
from flowstone.stack.binaries import find_postgres, runnable_postgres
from flowstone.stack.cluster import USER, Cluster, delete_cluster, find_cluster
from flowstone.stack.folder import State, read_state, write_state
from flowstone.stack.kept import Launch
from flowstone.stack.ports import HOST
from flowstone.stack.server import Server

__all__ = ["PostgresServer"]

_DATABASE = "flowstone"
_ALWAYS_THERE = "postgres"
_SETTINGS = (
    f"listen_addresses={HOST}",
    "unix_socket_directories=",
    "max_connections=200",
    "fsync=on",
)


class PostgresServer(Server):
    """A PostgreSQL server whose data live in a folder.

    Example:
        ```python
        server = PostgresServer(Path(".flowstone/postgres"))
        server.start()
        server.url  # postgresql+psycopg://flowstone:...@127.0.0.1:20345/flowstone
        server.stop()
        ```
    """

    name = "PostgreSQL"

    def __init__(self, folder: Path, *, programs: Path | None = None) -> None:
        super().__init__(folder)
        self._programs = programs
        self._cluster: Cluster | None = None
        self._password = ""

    @property
    def url(self) -> str:
        """The address of the database `flowstone`, as SQLAlchemy takes it."""
        return self.url_of(_DATABASE)

    def url_of(self, database: str) -> str:
        """Give the address of another database of this server."""
        port = self._port("port")
        return f"postgresql+psycopg://{USER}:{self._password}@{HOST}:{port}/{database}"

    def _delete_data(self) -> None:
        delete_cluster(self.folder, read_state(self.folder))

    def _port_names(self) -> Sequence[str]:
        return ["port"]

    def _prepare(self, state: State, held: int) -> None:
        programs = self._programs or find_postgres()
        self._cluster = cluster = find_cluster(self.folder, state)
        self._programs = runnable_postgres(programs, cluster.account)
        self._password = str(state.setdefault("password", secrets.token_urlsafe(18)))
        # before anything is made, so that a place elsewhere is never lost
        write_state(self.folder, state)
        if cluster.data.exists():
            cluster.forget_stale_pid()
        else:
            cluster.create(
                self._programs, self._password, held=held, environment=_environment()
            )

    def _launch(self, log: Path, held: int) -> Launch:
        assert self._programs is not None
        assert self._cluster is not None
        program = self._programs / "postgres"
        settings = [word for setting in _SETTINGS for word in ("-c", setting)]
        port = str(self._ports["port"])
        return Launch(
            command=[
                str(program),
                "-D",
                str(self._cluster.data),
                "-p",
                port,
                *settings,
            ],
            environment=_environment(),
            log=log,
            lock=held,
            stop_signal=signal.SIGINT,  # "fast": sessions are ended, data are flushed
            account=self._cluster.account,
        )

    def _ready(self) -> bool:
        # while the server starts, and only where one is started
        import psycopg  # noqa: PLC0415
        from psycopg import sql  # noqa: PLC0415

        try:
            connection = psycopg.connect(
                host=HOST,
                port=self._ports["port"],
                user=USER,
                password=self._password,
                dbname=_ALWAYS_THERE,
                sslmode="disable",
                connect_timeout=5,
                autocommit=True,
            )
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise ConfigurationError(
                    problems=[self._failure("does not take the password of its folder")]
                ) from error
            return False
        with connection:
            known = "SELECT FROM pg_database WHERE datname = %s"
            if connection.execute(known, [_DATABASE]).fetchone() is None:
                create = sql.SQL("CREATE DATABASE {}")
                connection.execute(create.format(sql.Identifier(_DATABASE)))
        return True


def _environment() -> dict[str, str]:
    # settings meant for clients (PGDATA, PGPORT, PGOPTIONS) would be taken up
    return {k: v for k, v in os.environ.items() if not k.startswith("PG")}
