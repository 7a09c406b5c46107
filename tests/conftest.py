"""The servers that tests share, one of each for a session."""

import os
import secrets
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import cast

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from flowstone.stack import PostgresServer, S3Server, TemporalServer
from flowstone.testing import Servers
from tests.harness import upgrade


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """Serve a PostgreSQL; a test that kills it starts it again."""
    server = PostgresServer(tmp_path_factory.mktemp("postgres"))
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def postgres_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Give the SQLAlchemy URL of an empty database, dropped after the test."""
    with _database(request) as url:
        yield url


@pytest.fixture
def second_postgres_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Give the URL of another empty database, to compare the first with."""
    with _database(request) as url:
        yield url


@pytest.fixture(scope="module")
def module_postgres_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Give the URL of an empty database that the tests of a module share."""
    with _database(request) as url:
        yield url


@contextmanager
def _database(request: pytest.FixtureRequest) -> Generator[str]:
    given = os.environ.get("FLOWSTONE_TEST_DSN")
    if given is None:
        given = cast("PostgresServer", request.getfixturevalue("postgres")).url
    server = make_url(given)
    maintenance = server.set(drivername="postgresql")
    target = maintenance.render_as_string(hide_password=False)
    name = f"test_{secrets.token_hex(8)}"
    with psycopg.connect(target, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield server.set(database=name).render_as_string(hide_password=False)
    drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
    with psycopg.connect(target, autocommit=True) as connection:
        connection.execute(drop.format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def temporal_server(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[TemporalServer]:
    """Serve a Temporal; a test that kills it starts it again."""
    server = TemporalServer(tmp_path_factory.mktemp("temporal"), ui=False)
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def temporal_address(temporal_server: TemporalServer) -> str:
    """Give the host and port of the session's Temporal."""
    return temporal_server.address


@pytest.fixture(scope="session")
def flowstone_servers(postgres: PostgresServer, temporal_address: str) -> Servers:
    """Give the testing kit the session's servers."""
    upgrade(postgres.url)
    return Servers(temporal_address=temporal_address, ledger_url=postgres.url)


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """Serve an S3; a test that kills it starts it again."""
    server = S3Server(tmp_path_factory.mktemp("s3"))
    try:
        server.start()
        yield server
    finally:
        server.remove()


def pytest_unconfigure() -> None:
    """Let temporalio's threads settle: one that asks for the interpreter late aborts it."""
    if "temporalio" in sys.modules:
        time.sleep(0.3)
