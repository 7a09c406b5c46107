"""What must do the same: databases under the ledger, and every IO manager there is."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from flowstone import SqlLedger
from flowstone.io import (
    S3IO,
    IOManager,
    MemoryIO,
    ParquetIO,
    PostgresIO,
    SqliteIO,
)
from flowstone.stack import S3Server
from tests.conformance.access import Access
from tests.conformance.ledger_suite import Book

DATABASES = ["sqlite", pytest.param("postgres", marks=pytest.mark.service)]


@pytest.fixture(params=DATABASES)
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the URL of an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[SqlLedger]:
    """Give a ledger with its tables, on each kind of database."""
    with closing(SqlLedger(ledger_url)) as found:
        found.upgrade()
        yield found


@pytest.fixture
def book(ledger: SqlLedger) -> Book:
    """Give a ledger as tests write in it."""
    return Book(ledger)


KINDS = [
    "memory",
    "sqlite",
    pytest.param("postgres", marks=pytest.mark.service),
    pytest.param("s3", marks=pytest.mark.service),
    "parquet",
    pytest.param("parquet-s3", marks=pytest.mark.service),
]


@pytest.fixture
def s3(s3_server: S3Server) -> Access:
    """Give what a manager needs to know of the session's S3."""
    return Access(
        endpoint=s3_server.endpoint,
        region=s3_server.region,
        access_key=s3_server.access_key,
        secret_key=s3_server.secret_key,
    )


@pytest.fixture
def on_s3(s3: Access) -> Iterator[Callable[[], S3IO]]:
    """Give what makes managers of one prefix that nobody else has."""
    prefix = f"test/{secrets.token_hex(8)}"
    with ExitStack() as stack:
        yield lambda: stack.enter_context(
            closing(S3IO("flowstone", prefix=prefix, **s3))
        )


@pytest.fixture(params=KINDS)
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[IOManager]:
    """Give a manager of each kind."""
    match request.param:
        case "sqlite":
            with closing(SqliteIO(tmp_path / "values.sqlite")) as sqlite:
                yield sqlite
        case "postgres":
            url: str = request.getfixturevalue("postgres_url")
            with closing(PostgresIO(url)) as postgres:
                yield postgres
        case "s3":
            yield request.getfixturevalue("on_s3")()
        case "parquet":
            yield ParquetIO(tmp_path / "lake")
        case "parquet-s3":
            place = f"s3://flowstone/test/{secrets.token_hex(8)}"
            with closing(ParquetIO(place, **request.getfixturevalue("s3"))) as parquet:
                yield parquet
        case _:
            yield MemoryIO()
