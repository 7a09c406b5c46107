"""The databases on which the ledger must do the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from flowstone import SqlLedger
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
