"""The ledger: its parts, on one database."""

from __future__ import annotations

from sqlalchemy import Connection, select

from flowstone.ledger.approvals import Approvals
from flowstone.ledger.catalog import Catalog
from flowstone.ledger.database import Database, again
from flowstone.ledger.deliveries import Deliveries
from flowstone.ledger.gates import Gates
from flowstone.ledger.litter import Litter
from flowstone.ledger.outbox import Outbox
from flowstone.ledger.packs import Packs
from flowstone.ledger.runs import Runs
from flowstone.ledger.schema import secrets
from flowstone.ledger.sensors import Sensors

__all__ = ["SqlLedger"]


class SqlLedger:
    """What was made from what, by which code, on whose decision.

    Connects on first use. Its nouns hold its verbs: `runs`, `packs`, `gates`,
    `approvals`, `outbox`, `catalog`, `litter`, `sensors`.

    Args:
        url: `postgresql://user:password@host/name`, or `sqlite:///path/to/file`, which
            serves one process only.

    Raises:
        ConfigurationError: the URL is of neither kind.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.database = Database(url)
        self.runs = Runs(self.database)
        self.packs = Packs(self.database)
        self.gates = Gates(self.database)
        self.deliveries = Deliveries(self.database)
        self.approvals = Approvals(self.database)
        self.outbox = Outbox(self.database)
        self.catalog = Catalog(self.database)
        self.litter = Litter(self.database)
        self.sensors = Sensors(self.database)

    def __repr__(self) -> str:
        return f"SqlLedger({self.database.where()!r})"

    @property
    def in_process(self) -> bool:
        """Whether it serves one process only."""
        return self.database.dialect.in_process

    def upgrade(self) -> None:
        """Bring the schema to the newest revision."""
        self.database.upgrade()

    def check(self) -> None:
        """Refuse a schema that is not the one this release needs."""
        self.database.check()

    def secret(self, name: str, value: str) -> str:
        """Give the secret of a name; the first value that anybody offered."""

        def work(conn: Connection) -> str:
            row = {"name": name, "value": value}
            self.database.dialect.insert(conn, secrets, [row], "DO NOTHING")
            query = select(secrets.c.value).where(secrets.c.name == name)
            return str(conn.execute(query).scalar_one())

        return self.database.transact(work, ask=again)

    def close(self) -> None:
        """Let go of every connection."""
        self.database.close()
