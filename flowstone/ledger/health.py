"""How the ledger's database is: whether it answers, and whether it keeps its word."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from flowstone.core.errors import ConfigurationError
from flowstone.core.health import Component
from flowstone.ledger.database import Database
from flowstone.ledger.schema import REVISION

__all__ = ["ledger_health"]

_SETTINGS = text(
    "SELECT name FROM pg_settings WHERE setting = 'off' "
    "AND name IN ('fsync', 'full_page_writes', 'synchronous_commit') ORDER BY name"
)
_STANDBYS = text(
    "SELECT count(*) FILTER (WHERE sync_state = 'async'), "
    "count(*) FILTER (WHERE sync_state IN ('sync', 'quorum')) "
    "FROM pg_stat_replication WHERE state = 'streaming'"
)


def ledger_health(database: Database) -> Component:
    """Ask the database: whether it answers, has the schema, and loses nothing."""
    where = database.where()
    bad = Component(kind="ledger", name="ledger", state="failing", detail=where)
    began = time.perf_counter()
    try:
        with database.reading() as conn:
            conn.execute(text("SELECT 1"))
            took = timedelta(seconds=time.perf_counter() - began)
            frail = [] if database.dialect.in_process else _frailties(conn)
        database.check()
    except ConfigurationError as error:
        return replace(bad, problem=error.message, remedy="`flowstone db upgrade`")
    except DBAPIError as error:
        return replace(
            bad,
            problem="it does not answer: " + " ".join(str(error.orig).split()),
            remedy="Start the database, or give another FLOWSTONE_LEDGER_URL.",
        )
    good = replace(bad, state="ok", latency=took, detail=f"{where}, at {REVISION}")
    if not frail:
        return good
    return replace(
        good,
        state="warning",
        problem=f"a crash may lose what was acknowledged: {'; '.join(frail)}",
        remedy="Let this database run with fsync, full_page_writes and "
        "synchronous_commit on, and its standbys be synchronous.",
    )


def _frailties(conn: Connection) -> list[str]:
    """Tell where the database may forget what it has acknowledged."""
    found = [f"{name} is off" for (name,) in conn.execute(_SETTINGS)]
    late, synchronous = conn.execute(_STANDBYS).one()
    if late and not synchronous:
        found.append("no standby is synchronous, so a failover may forget")
    return found
