"""The URL of a ledger: which database it names, and how it is shown to people."""

from __future__ import annotations

from sqlalchemy.engine import URL, make_url

from flowstone.core.errors import ConfigurationError
from flowstone.ledger.dialect import Dialect
from flowstone.ledger.postgres import Postgres
from flowstone.ledger.sqlite import Sqlite

__all__ = ["dialect_of", "shown"]


def dialect_of(url: str) -> Dialect:
    """Give the dialect of a database, connecting lazily.

    Args:
        url: `sqlite:///path/to/file`, or `postgresql://user:password@host/name`.

    Raises:
        ConfigurationError: the URL is of neither, or of SQLite in memory.
    """
    try:
        parsed = make_url(url.replace("postgres://", "postgresql://", 1))
    except Exception as error:  # SQLAlchemy's own message repeats the password
        raise ConfigurationError(
            problems=[
                "The ledger's URL cannot be read; write it as "
                "postgresql://user:password@host:5432/name."
            ]
        ) from error
    backend = parsed.get_backend_name()
    if backend == "postgresql":
        return Postgres(parsed.set(drivername="postgresql+psycopg"))
    if backend == "sqlite" and parsed.database not in {None, "", ":memory:"}:
        return Sqlite(parsed)
    raise ConfigurationError(
        problems=[
            f"The ledger cannot be on {parsed.drivername!r}: give a Postgres URL, or "
            "sqlite:/// with the path of a file."
        ]
    )


def shown(url: URL) -> str:
    """Write a URL for people: without its password, and without its parameters.

    Parameters may hold secrets too: a password, or that of a key.
    """
    return url.set(query={}).render_as_string(hide_password=True)
