"""The servers that examples are played on."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from flowstone.stack import PostgresServer, S3Server
from tests.harness import upgrade


@pytest.fixture(scope="session")
def examples_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Give the URL of one database with the ledger's tables, for all examples."""
    given = os.environ.get("FLOWSTONE_TEST_DSN")
    if given is None:
        given = cast("PostgresServer", request.getfixturevalue("postgres")).url
    server = make_url(given)
    maintenance = server.set(drivername="postgresql")
    target = maintenance.render_as_string(hide_password=False)
    name = f"examples_{secrets.token_hex(8)}"
    with psycopg.connect(target, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    url = server.set(database=name).render_as_string(hide_password=False)
    upgrade(url)
    yield url
    drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
    with psycopg.connect(target, autocommit=True) as connection:
        connection.execute(drop.format(sql.Identifier(name)))


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test a folder of its own, where examples leave their notes."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.fixture(autouse=True)
def bucket(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give an example that works on S3 the session's."""
    if not any(name in request.node.name for name in ("32_s3", "39_sensor")):
        return
    server = cast("S3Server", request.getfixturevalue("s3_server"))
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def temporal(
    examples_url: str, temporal_address: str, monkeypatch: pytest.MonkeyPatch
) -> str:
    """Configure apps that name no infrastructure; give Temporal's address."""
    monkeypatch.setenv("FLOWSTONE_LEDGER_URL", examples_url)
    monkeypatch.setenv("FLOWSTONE_SIGNING_KEYS", "test:a secret of the tests")
    return temporal_address
