"""The database under the ledger: transactions, and the schema it must have."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from importlib.resources import as_file, files
from typing import TypeVar

from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import Pool, QueuePool

from flowstone.core.errors import ConfigurationError
from flowstone.ledger.dialect import Dialect
from flowstone.ledger.patience import within
from flowstone.ledger.schema import REVISION
from flowstone.ledger.url import dialect_of, shown

__all__ = ["Database", "again"]

T = TypeVar("T")

_ONE_AT_A_TIME = threading.Lock()
"""Alembic keeps the environment of an upgrade in its modules, for one thread only."""
_TRIES = 6
"""How often a transaction is done at most: once, and five times again."""
_FAREWELL = 5.0
"""For how many seconds at most connections in use are waited for at the end."""
_OUTAGE = 20.0
"""For how many seconds the database is asked what came of a commit."""


def again(conn: Connection) -> None:
    """Have work done again whose outcome is unknown: twice is as good as once."""
    del conn


def _in_use(pool: Pool) -> bool:
    return isinstance(pool, QueuePool) and pool.checkedout() > 0


class Database:
    """A database with the ledger's tables.

    Args:
        url: where it is; see `dialect_of`.
    """

    def __init__(self, url: str) -> None:
        self.dialect: Dialect = dialect_of(url)

    def transact(
        self,
        work: Callable[[Connection], T],
        *,
        ask: Callable[[Connection], T | None] | None = None,
    ) -> T:
        """Do work in one transaction, and the whole of it again after a deadlock.

        A connection that is lost before the commit has changed nothing: then too it is
        done again. Lost in the commit itself, it leaves the outcome unknown.

        Args:
            work: what to do.
            ask: tells what came of work whose outcome is unknown; `None` where it did
                not take effect. Without it, the loss is raised.

        Raises:
            DBAPIError: it is not a matter of doing it again.
        """
        for tries in range(_TRIES):
            finished = False
            try:
                with self.dialect.begin() as conn:
                    found = work(conn)
                    finished = True
            except DBAPIError as error:
                if tries == _TRIES - 1 or not self._may_repeat(
                    error, known=not finished or ask is not None
                ):
                    raise
                lost = finished and self.dialect.is_lost(error)
            else:
                return found
            if lost and ask is not None:
                came = within(_OUTAGE, lambda ask=ask: self._read(ask))
                if came is not None:
                    return came
            time.sleep(random.uniform(0.005, 0.05) * 2**tries)  # noqa: S311
        raise AssertionError("unreachable")

    def _may_repeat(self, error: DBAPIError, *, known: bool) -> bool:
        if self.dialect.is_lost(error):
            return known
        return self.dialect.is_conflict(error)

    def _read(self, ask: Callable[[Connection], T]) -> T:
        with self.reading() as conn:
            return ask(conn)

    @contextmanager
    def reading(self) -> Generator[Connection]:
        """Open a connection that only reads; each statement sees what is there then."""
        with self.dialect.reading() as conn:
            yield conn

    def close(self) -> None:
        """Let go of every connection, once whoever uses one has given it back."""
        engine = self.dialect.engine
        ends = time.monotonic() + _FAREWELL
        while _in_use(engine.pool) and time.monotonic() < ends:
            time.sleep(0.01)
        engine.dispose()

    def where(self) -> str:
        """Name the database for people, without its secrets."""
        return shown(self.dialect.engine.url)

    def revision(self) -> str | None:
        """Give the revision of the schema, if there is one.

        Raises:
            ConfigurationError: the database does not answer.
        """
        try:
            with self.reading() as conn:
                if not inspect(conn).has_table("flowstone_schema"):
                    return None
                found = conn.execute(text("SELECT version_num FROM flowstone_schema"))
                return found.scalar()
        except OperationalError as error:
            reason = str(error.orig).strip().splitlines()[-1]
            raise ConfigurationError(
                problems=[
                    f"The ledger at {self.where()} does not answer: {reason}. Start "
                    "the database, or give another FLOWSTONE_LEDGER_URL."
                ]
            ) from error

    def check(self) -> None:
        """Refuse a schema that is not the one this release needs.

        Raises:
            ConfigurationError: it is older, newer, or not there.
        """
        found = self.revision()
        if found == REVISION:
            return
        if found is not None and found > REVISION:
            remedy = "It is newer than this release: upgrade flowstone."
        else:
            remedy = "Run `flowstone db upgrade`."
        have = f"has revision {found}" if found else "has no tables yet"
        raise ConfigurationError(
            problems=[
                f"The ledger at {self.where()} {have}; this release needs {REVISION}. "
                f"{remedy}"
            ]
        )

    def upgrade(self) -> None:
        """Bring the schema to the newest revision; safe when several try at once.

        Raises:
            ConfigurationError: it is newer than this release knows.
        """
        found = self.revision()
        if found == REVISION:
            return
        if found is not None and found > REVISION:
            self.check()
        with _ONE_AT_A_TIME:
            self.transact(self._upgrade)

    def _upgrade(self, conn: Connection) -> None:
        self.dialect.unbound(conn)
        _upgrade(conn)


def _upgrade(conn: Connection) -> None:
    # Whoever finds the schema at hand need not load Alembic.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    if conn.dialect.name == "postgresql":
        # Two that upgrade at once take turns; the second finds nothing to do.
        conn.execute(text("SELECT pg_advisory_xact_lock(7305804402)"))
    with as_file(files("flowstone.ledger") / "migrations") as folder:
        config = Config()
        config.set_main_option("script_location", str(folder).replace("%", "%%"))
        config.attributes["connection"] = conn
        command.upgrade(config, "head")
