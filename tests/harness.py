"""What tests of this repository need beside the testing kit."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psycopg

from flowstone import SqlLedger, testing

__all__ = ["ROOT", "WorkerProcess", "eventually", "query", "upgrade"]

ROOT = Path(__file__).parents[1]


def eventually(
    check: Callable[[], object], *, within: float = 30.0, what: str = "it"
) -> None:
    """Wait until a check is true.

    Raises:
        AssertionError: it was not in time.
    """
    ends = time.monotonic() + within
    while not check():
        if time.monotonic() > ends:
            raise AssertionError(f"{what} did not happen within {within} s")
        time.sleep(0.05)


def query(url: str, sql: str, *args: object) -> list[tuple[object, ...]]:
    """Ask a Postgres."""
    plain = url.replace("postgresql+psycopg://", "postgresql://")
    with psycopg.connect(plain, autocommit=True) as connection:
        return list(connection.execute(sql.encode(), args or None).fetchall())


def upgrade(url: str) -> None:
    """Make the ledger's tables."""
    ledger = SqlLedger(url)
    try:
        ledger.upgrade()
    finally:
        ledger.close()


class WorkerProcess(testing.WorkerProcess):
    """A worker as it is deployed, in a process of its own."""

    def __init__(self, app: str, folder: Path, environment: Mapping[str, str]) -> None:
        super().__init__(app, folder, environment, command=("-m", "workers"), cwd=ROOT)
