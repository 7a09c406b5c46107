"""Facts: what was made from what, by which code, on whose decision.

One implementation in SQL, on a SQLite file or on Postgres; see `SqlLedger`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["SqlLedger"]

if TYPE_CHECKING:
    from flowstone.ledger.sql import SqlLedger


def __getattr__(name: str) -> object:
    if name == "SqlLedger":
        # Importing the package costs nothing; using it brings SQLAlchemy.
        from flowstone.ledger.sql import SqlLedger  # noqa: PLC0415

        return SqlLedger
    raise AttributeError(name)
