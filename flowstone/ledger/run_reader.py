"""What is known of runs: their rows, their plans, their cells and their events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Select, bindparam, func, select

from flowstone.core.events import Event
from flowstone.core.table import State
from flowstone.ledger.base import RunRow, Version
from flowstone.ledger.batch import Batch
from flowstone.ledger.database import Database
from flowstone.ledger.dialect import Dialect
from flowstone.ledger.rows import event_of, load, run_of
from flowstone.ledger.schema import attempts, events, plans, run_nodes, runs
from flowstone.ledger.versions import current_versions

__all__ = ["RunReader", "ask_durations"]

_RECENT = 9


def ask_durations(
    send: Batch, dialect: Dialect, assets: Sequence[str]
) -> Callable[[], dict[str, int]]:
    """Ask how long each asset took of late: the median of its last versions."""
    return dialect.ask_millis(send, assets, _RECENT)


def _by_id(_: Dialect) -> Select[*tuple[Any, ...]]:
    return select(runs).where(runs.c.id == bindparam("of"))


def _nodes(_: Dialect) -> Select[*tuple[Any, ...]]:
    return select(
        run_nodes.c.node,
        run_nodes.c.key_number,
        run_nodes.c.state,
        run_nodes.c.version,
        run_nodes.c.reason,
        run_nodes.c.error,
    ).where(run_nodes.c.run == bindparam("of"))


class RunReader:
    """Reads what is known of runs.

    Args:
        database: where the tables are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._dialect = database.dialect

    def get(self, run: str) -> RunRow | None:
        """Give a run, if there is one of this id."""
        with self._database.reading() as conn:
            asked = self._dialect.singly(conn).ask(_by_id, {"of": run})
            return next(map(run_of, asked.records()), None)

    def by_key(self, pipeline: str, user_key: str) -> RunRow | None:
        """Give the run that a caller's key names."""
        query = select(runs).where(
            runs.c.pipeline == pipeline, runs.c.user_key == user_key
        )
        with self._database.reading() as conn:
            row = conn.execute(query).mappings().first()
        return None if row is None else run_of(row)

    def recent(
        self, pipeline: str, *, limit: int, asset: str = "", status: str = ""
    ) -> list[RunRow]:
        """Give the newest runs first."""
        query = select(runs).where(runs.c.pipeline == pipeline)
        if asset:
            query = query.where(runs.c.asset == asset)
        if status:
            query = query.where(runs.c.status == status)
        query = query.order_by(runs.c.created_at.desc(), runs.c.id.desc()).limit(limit)
        with self._database.reading() as conn:
            return [run_of(row) for row in conn.execute(query).mappings()]

    def of_schedule(self, pipeline: str, schedule: str, limit: int) -> list[str]:
        """Give the ids of the runs that a schedule has started, the newest first."""
        fires = runs.c.workflow.startswith(
            f"flowstone/{pipeline}/schedule/{schedule}", autoescape=True
        )
        mine = runs.c.request.contains(f'"schedule":"{schedule}"', autoescape=True)
        query = (
            select(runs.c.id)
            .where(runs.c.pipeline == pipeline, fires, mine)
            .order_by(runs.c.created_at.desc(), runs.c.id.desc())
            .limit(limit)
        )
        with self._database.reading() as conn:
            return [str(row.id) for row in conn.execute(query)]

    def plan_body(self, digest: str) -> str:
        """Give the body of a plan."""
        query = select(plans.c.body).where(plans.c.digest == digest)
        with self._database.reading() as conn:
            return str(conn.execute(query).scalar_one())

    def current(
        self, cells: Sequence[tuple[str, str]]
    ) -> dict[tuple[str, str], Version]:
        """Give the versions that readers see now, of (asset, key) pairs."""
        with self._database.reading() as conn:
            return current_versions(conn, self._dialect, cells)

    def absent(self, run: str) -> list[int]:
        """Give the given nodes of a run that have no value."""
        query = select(run_nodes.c.node).where(
            run_nodes.c.run == run,
            run_nodes.c.reason == "it has no value",
            run_nodes.c.state == int(State.BYPASSED),
        )
        with self._database.reading() as conn:
            return [node for (node,) in conn.execute(query)]

    def durations(self, assets: Sequence[str]) -> dict[str, int]:
        """Give how long each asset took of late: the median of its last versions."""
        with self._database.reading() as conn:
            return ask_durations(self._dialect.singly(conn), self._dialect, assets)()

    def nodes(
        self, run: str
    ) -> list[tuple[int, int, State, str | None, str, str | None]]:
        """Give every cell that was written: node, key, state, version, reason, error."""
        with self._database.reading() as conn:
            asked = self._dialect.singly(conn).ask(_nodes, {"of": run})
            return [
                (n, k, State(s), v, reason, error)
                for n, k, s, v, reason, error in asked.rows()
            ]

    def failures(self, run: str, node: int, key_number: int) -> int:
        """Count how often the function of a cell has failed in a run."""
        query = select(attempts.c.id).where(
            attempts.c.run == run,
            attempts.c.node == node,
            attempts.c.key_number == key_number,
            attempts.c.state == "failed",
        )
        with self._database.reading() as conn:
            return len(conn.execute(query).all())

    def running(self, run: str) -> int:
        """Count the attempts that are under way."""
        query = select(func.count()).where(
            attempts.c.run == run, attempts.c.state == "open"
        )
        with self._database.reading() as conn:
            return int(conn.execute(query).scalar_one())

    def last_note(self, run: str) -> str:
        """Give why the run waits for a worker, if that is what it does now."""
        query = (
            select(events.c.outcome, events.c.data)
            .where(events.c.run == run)
            .order_by(events.c.seq.desc())
            .limit(1)
        )
        with self._database.reading() as conn:
            row = conn.execute(query).first()
        if row is None or row.outcome != "not_here":
            return ""
        return str(load(row.data).get("why", ""))

    def events(self, run: str) -> list[Event]:
        """Give what happened in a run, in order."""
        query = select(events).where(events.c.run == run).order_by(events.c.seq)
        with self._database.reading() as conn:
            return [event_of(row) for row in conn.execute(query).mappings()]
