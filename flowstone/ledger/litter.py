"""Litter: attempts that left something behind which nobody will ever read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, RowMapping, and_, select

from flowstone.ledger.audit import write_audit
from flowstone.ledger.database import Database
from flowstone.ledger.schema import attempts, gates, runs, versions
from flowstone.ledger.turn import Turn

__all__ = ["Judged", "Litter"]

_AT_ONCE = 1000
_LIVE = {"starting", "running"}
_OVER = {
    "broken",
    "cancelled",
    "discarded",
    "failed",
    "left",
    "lost",
    "skipped",
    "snoozed",
    "unavailable",
}
"""States of attempts that never become versions, whatever their run does."""


_ATTEMPTS = (
    select(
        attempts.c.id,
        attempts.c.asset,
        attempts.c.key,
        attempts.c.run,
        attempts.c.item,
        attempts.c.state,
        runs.c.status,
        gates.c.state.label("gate"),
        versions.c.id.label("version"),
    )
    .outerjoin(runs, runs.c.id == attempts.c.run)
    .outerjoin(
        gates,
        and_(
            gates.c.run == attempts.c.run,
            gates.c.node == attempts.c.node,
            gates.c.key_number == attempts.c.key_number,
            gates.c.item == attempts.c.item,
        ),
    )
    .outerjoin(versions, versions.c.id == attempts.c.id)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What is to become of the object of an attempt.

    Attributes:
        verdict: `kept`; `litter`; `foreign` where it is another app's.
        why: how the attempt, or its run, has ended.
    """

    verdict: Literal["kept", "litter", "foreign"]
    asset: str = ""
    key: str = ""
    run: str = ""
    why: str = ""


class Litter:
    """Judges objects by the attempts that wrote them; never by their age.

    Args:
        database: where the tables are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._dialect = database.dialect

    def judge(
        self, pipeline: str, objects: Mapping[str, str]
    ) -> Mapping[str, Judged | None]:
        """Judge objects; `None` for those of which no attempt is known.

        Args:
            pipeline: the app's name.
            objects: the attempt that wrote each, by location.
        """
        found: dict[str, Judged | None] = {}
        places = list(objects)
        for first in range(0, len(places), _AT_ONCE):
            some = places[first : first + _AT_ONCE]
            with self._database.reading() as conn:
                rows = self._attempts(conn, [objects[place] for place in some])
                used = self._used(conn, some)
            for place in some:
                row = rows.get(objects[place])
                judged = None if row is None else _judge(row, pipeline)
                if place in used:
                    judged = Judged(verdict="kept")
                found[place] = judged
        return found

    def sweep(self, pipeline: str, actor: str, *, objects: int, size: int) -> None:
        """Write down that litter was deleted."""

        def work(conn: Connection) -> None:
            turn = Turn.take(conn, self._dialect, pipeline)
            data = {"objects": objects, "bytes": size}
            write_audit(turn, "litter.delete", [pipeline], actor=actor, data=data)

        self._database.transact(work)

    def _attempts(self, conn: Connection, ids: Sequence[str]) -> dict[str, RowMapping]:
        query = _ATTEMPTS.where(self._dialect.among(attempts.c.id, sorted(set(ids))))
        return {str(row["id"]): row for row in conn.execute(query).mappings()}

    def _used(self, conn: Connection, places: Iterable[str]) -> set[str]:
        """Give the locations that a version names, whichever attempt wrote them."""
        among = self._dialect.among(versions.c.location, sorted(places))
        return set(conn.execute(select(versions.c.location).where(among)).scalars())


def _judge(row: RowMapping, pipeline: str) -> Judged:
    owner, _, asset = str(row["asset"]).partition("/")
    if owner != pipeline:
        return Judged(verdict="foreign", asset=asset)
    state, status = row["state"], row["status"]
    closed = status is not None and status not in _LIVE
    asked = row["gate"] == "waiting" or (row["gate"] == "decided" and not closed)
    # An item of a scatter is the scatter's, which may want it again.
    wanted = asked or row["version"] is not None or row["item"] >= 0
    over = state in _OVER
    why = f"its attempt ended as {state}" if over else f"its run ended as {status}"
    return Judged(
        verdict="kept" if wanted or not (closed or over) else "litter",
        asset=asset,
        key=str(row["key"]),
        run=str(row["run"]),
        why=why,
    )
