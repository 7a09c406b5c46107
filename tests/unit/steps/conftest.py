"""Benches, each on a ledger of its own."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flowstone.ledger.sql import SqlLedger
from tests.unit.steps.bench import Bench


@pytest.fixture(scope="session")
def empty_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a file with the ledger's tables, and nothing in them."""
    path = tmp_path_factory.mktemp("ledger") / "ledger.db"
    ledger = SqlLedger(f"sqlite:///{path}")
    ledger.upgrade()
    ledger.close()
    return path


@pytest.fixture
def bench(empty_ledger: Path, tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    """Give a bench for assets; each test has one ledger."""
    made: list[Bench] = []
    database = tmp_path / "ledger.db"
    shutil.copy(empty_ledger, database)

    def make(*assets: object, **keywords: object) -> Bench:
        made.append(Bench(database, *assets, **keywords))  # pyright: ignore[reportArgumentType] - they are passed on
        return made[-1]

    yield make
    for one in made:
        one.close()
