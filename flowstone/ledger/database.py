"""The database under the ledger: transactions, and the schema it must have."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from importlib.resources import as_file, files
from typing import TypeVar

from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DBAPIError, OperationalError

from flowstone.core.errors import ConfigurationError
from flowstone.ledger.dialect import Dialect, dialect_of
from flowstone.ledger.schema import REVISION

__all__ = ["Database"]

T = TypeVar("T")

_TRIES = 5


class Database:
    """A database with the ledger's tables.

    Args:
        url: where it is; see `dialect_of`.
    """

    def __init__(self, url: str) -> None:
        self.dialect: Dialect = dialect_of(url)

    def transact(self, work: Callable[[Connection], T]) -> T:
        """Do work in one transaction; the whole of it again after a deadlock."""
        for tries in range(_TRIES):
            try:
                with self.dialect.begin() as conn:
                    return work(conn)
            except DBAPIError as error:
                if tries == _TRIES - 1 or not self.dialect.is_conflict(error):
                    raise
                time.sleep(random.uniform(0.005, 0.05) * 2**tries)  # noqa: S311
        raise AssertionError("unreachable")

    @contextmanager
    def reading(self) -> Generator[Connection]:
        """Open a transaction that only reads."""
        with self.dialect.reading() as conn:
            yield conn

    def close(self) -> None:
        """Let go of every connection."""
        self.dialect.engine.dispose()

    def where(self) -> str:
        """Name the database for people, without its password."""
        return self.dialect.engine.url.render_as_string(hide_password=True)

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
        """Bring the schema to the newest revision; safe when several try at once."""
        if self.revision() == REVISION:
            return
        self.transact(_upgrade)


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
