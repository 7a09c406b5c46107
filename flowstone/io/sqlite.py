"""Values in a SQLite file, for an app that runs in one process and keeps them."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import cast

from sqlalchemy import URL, Connection, Engine, create_engine, event

from flowstone.core.errors import ConfigurationError
from flowstone.io.sql import COLUMNS, ON_CONFLICT, Row, SqlIO

__all__ = ["SqliteIO"]

_TABLE = "flowstone_values"
_PATIENCE_SECONDS = 60
_EXISTS = f"SELECT count(*) FROM sqlite_master WHERE name = '{_TABLE}'"  # noqa: S608
_CREATE = f"""
    CREATE TABLE IF NOT EXISTS {_TABLE} (
        location TEXT PRIMARY KEY,
        codec TEXT NOT NULL,
        data BLOB NOT NULL,
        digest TEXT NOT NULL,
        facts TEXT NOT NULL
    )
"""
_UPSERT = f"""
    INSERT INTO {_TABLE} AS kept ({COLUMNS}) VALUES (?, ?, ?, ?, ?)
    {ON_CONFLICT}
"""  # noqa: S608 - all of it is here


class SqliteIO(SqlIO):
    """Keeps values in a file, for as long as the file is there.

    Any process of this machine may open the same file; workers elsewhere cannot.

    Example:
        ```python
        SqliteIO("values.sqlite")
        ```

    Args:
        path: the file; it and its folder are made when they are missing.

    Raises:
        ConfigurationError: the path is empty, or asks for a database in memory.
    """

    in_process: bool = True

    def __init__(self, path: str | os.PathLike[str]) -> None:
        name = os.fspath(path)
        if name in {"", ":memory:"}:
            reason = (
                f"SqliteIO keeps values in a file, not in {name!r}. Use MemoryIO()."
            )
            raise ConfigurationError(problems=[reason])
        super().__init__(prefix="sqlite:", table=_TABLE, mark="?")
        # absolute, whatever becomes of the working directory
        self._path = Path(name).absolute()
        self._write_lock = threading.Lock()

    def __repr__(self) -> str:
        return f"SqliteIO({str(self._path)!r})"

    def _open(self) -> Engine:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(
            URL.create("sqlite", database=str(self._path)),
            connect_args={"timeout": _PATIENCE_SECONDS, "isolation_level": None},
            hide_parameters=True,  # values have no business in error messages
        )
        event.listen(engine, "connect", _on_connect)
        return engine

    def _make_table(self, engine: Engine) -> None:
        with self._reading(engine) as connection:
            # asked first: whoever only reads need not wait for a writer
            if connection.exec_driver_sql(_EXISTS).scalar_one():
                return
        with self._writing(engine) as connection:
            connection.exec_driver_sql(_CREATE)

    def _reading(self, engine: Engine) -> AbstractContextManager[Connection]:
        return engine.connect()

    @contextmanager
    def _writing(self, engine: Engine) -> Generator[Connection]:
        # threads queue here, since SQLite's own waiting is by sleeping
        with self._write_lock, engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
            connection.commit()

    def _keep(self, engine: Engine, rows: Sequence[Row]) -> None:
        with self._writing(engine) as connection:
            connection.exec_driver_sql(_UPSERT, list(rows))


def _on_connect(connection: object, _record: object) -> None:
    raw = cast("sqlite3.Connection", connection)
    # readers then go on while somebody writes
    raw.execute("PRAGMA journal_mode = WAL").close()
