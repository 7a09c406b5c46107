"""What changes in a database: rows beyond a cursor, in the words of a query."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, cast

from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from flowstone.core.asset import Asset
from flowstone.core.errors import ConfigurationError
from flowstone.core.outcome import Skip
from flowstone.core.pipeline import AnyAsset
from flowstone.core.ref import Key
from flowstone.core.sensor import Found, Trigger

__all__ = ["SqlChange"]

Row = Mapping[str, Any]
KeyOfRow = Callable[[Row], Key | Skip | None]


class SqlChange:
    """A check that finds rows beyond a cursor.

    The query is given `:cursor`, and must come in the order of its first column, which
    becomes the cursor: an id that grows, or a time (as text, in ISO 8601: cast it where
    your database wants it). Give it a LIMIT; what is left is found by the next look.

    A row may be committed after another one whose id is greater. Where that may happen,
    look back by a margin and give `key`: a row whose key is known is no news.

    Example:
        ```python
        SqlChange(
            url,
            "SELECT id, day FROM orders WHERE id > :cursor - 100 ORDER BY id LIMIT 500",
            start=0,
            asset="orders",
            partition=lambda row: row["day"],
            key=lambda row: str(row["id"]),
        )
        ```

    Args:
        url: the database, as SQLAlchemy writes it.
        query: a SELECT with `:cursor`.
        asset: the asset to make for each row.
        partition: gives its key from a row; by default the first column. `Skip` leaves
            the row out.
        key: what a row is known by; by default each row that the query gives is news.
        start: the cursor of the first look.

    Raises:
        ConfigurationError: the URL is none, or the query has no `:cursor`.
    """

    def __init__(
        self,
        url: str,
        query: str,
        *,
        asset: AnyAsset | str,
        partition: KeyOfRow | None = None,
        key: Callable[[Row], str] | None = None,
        start: str | float | None = None,
    ) -> None:
        self._url = _url(url)
        self._query = query
        self._asset = asset.name if isinstance(asset, Asset) else asset
        self._partition = partition or _first
        self._key = key
        self._start = start
        if ":cursor" not in query:
            problem = f"The query {query!r} has no `:cursor` to go on from."
            raise ConfigurationError(problems=[problem])

    def __repr__(self) -> str:
        where = self._url.set(query={}).render_as_string(hide_password=True)
        return f"SqlChange({where!r}, {self._query!r})"

    @property
    def assets(self) -> Sequence[str]:
        """The asset that it triggers."""
        return [self._asset]

    def problems(self) -> Sequence[str]:
        """Say nothing: all that it needs it was given."""
        return []

    def __call__(self, cursor: Any) -> Found:
        """Find rows beyond the cursor."""
        since = self._start if cursor is None else cursor
        # Looks are rare: no connection is kept between two.
        engine = create_engine(self._url, poolclass=NullPool)
        with engine.connect() as conn:
            found = conn.execute(text(self._query), {"cursor": since}).mappings()
            rows = [cast("Row", dict(row)) for row in found]
        triggers = [t for row in rows if (t := self._trigger(row)) is not None]
        return Found(triggers, _plain(_first(rows[-1])) if rows else since)

    def _trigger(self, row: Row) -> Trigger | None:
        partition = self._partition(row)
        if isinstance(partition, Skip):
            return None
        key = self._key(row) if self._key else None
        return Trigger(self._asset, partition, key=key)


def _url(url: str) -> URL:
    try:
        parsed = make_url(url.replace("postgres://", "postgresql://", 1))
    except ArgumentError as error:  # its own message repeats the password
        raise ConfigurationError(
            problems=[
                "The URL of SqlChange cannot be read; write it as "
                "postgresql://user:password@host:5432/name."
            ]
        ) from error
    if parsed.drivername == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    return parsed


def _first(row: Row) -> Any:
    return next(iter(row.values()))


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, date) else value
