"""Sensors: the cursor moves in the transaction that records what was found.

Each piece of news is a trigger, known by what the news is known by; where it is new,
the row of its run is written with it. Runs are started from those rows afterwards, by
whoever takes a trigger that is due; a trigger is due again until it was delivered.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast

from sqlalchemy import Connection, delete, select, update

from flowstone.ledger.audit import write_audit
from flowstone.ledger.base import RunRow
from flowstone.ledger.database import Database, again
from flowstone.ledger.looks import News, SensorRow, SensorTick, row_of, tick_of
from flowstone.ledger.rows import dump, event_row, run_of, run_row
from flowstone.ledger.schema import (
    events,
    runs,
    sensor_ticks,
    sensors,
    triggers,
)
from flowstone.ledger.turn import Turn

__all__ = ["Sensors"]

_LEASE = timedelta(seconds=30)
"""For how long whoever takes a trigger has it to himself."""
_KEPT = 500
"""How many ticks of a sensor are kept."""
_SHOWN = 1_000
"""How many runs of a tick are named."""


class Sensors:
    """Keeps what sensors have found.

    Args:
        database: where the tables are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._dialect = database.dialect

    # --- looking --------------------------------------------------------------------

    def read(self, pipeline: str, sensor: str) -> SensorRow:
        """Give how a sensor stands; one that never looked has no cursor."""
        query = select(sensors).where(_of(pipeline, sensor))
        with self._database.reading() as conn:
            now = self._dialect.clock(conn)
            row = conn.execute(query).mappings().first()
        return SensorRow(now=now) if row is None else row_of(row, now)

    def record(
        self,
        pipeline: str,
        tick: SensorTick,
        seen: SensorRow,
        *,
        cursor: object,
        news: Sequence[News] = (),
    ) -> SensorTick:
        """Move a cursor and record what was found, in one transaction.

        Args:
            pipeline: the app's name.
            tick: the look.
            seen: how the sensor stood when it looked; where another look has moved
                the cursor meanwhile, nothing of this one is recorded but that.
            cursor: the new one.
            news: what it found.

        Returns:
            The look as it is recorded: an earlier one of the same id, if there is one.
        """

        def work(conn: Connection) -> SensorTick:
            turn = Turn.take(conn, self._dialect, pipeline)
            known = self._known(conn, tick.id)
            if known is not None:
                return known
            if not self._move(turn, tick.sensor, seen, cursor):
                why = "another look has moved the cursor meanwhile"
                return self._write(turn, tick, "overtaken", why=why)
            started = self._insert(turn, tick.id, news)
            outcome = tick.outcome or ("triggered" if started else "nothing")
            return self._write(
                turn, tick, outcome, why=tick.why, found=len(news), started=started
            )

        return self._database.transact(work, ask=again)

    def put_off(self, pipeline: str, tick: SensorTick) -> SensorTick:
        """Record that a sensor did not look."""

        def work(conn: Connection) -> SensorTick:
            turn = Turn.take(conn, self._dialect, pipeline)
            return self._known(conn, tick.id) or self._write(
                turn, tick, "put_off", why=tick.why
            )

        return self._database.transact(work, ask=again)

    def fail(
        self, pipeline: str, tick: SensorTick, wait: timedelta, *, failures: int
    ) -> SensorTick:
        """Record that a look has failed, and put off the next ones.

        Args:
            pipeline: the app's name.
            tick: the look; why it has failed.
            wait: for how long.
            failures: how many have failed in a row, this one included.
        """

        def work(conn: Connection) -> SensorTick:
            turn = Turn.take(conn, self._dialect, pipeline)
            known = self._known(conn, tick.id)
            if known is not None:
                return known
            self._ensure(turn, tick.sensor)
            conn.execute(
                update(sensors)
                .where(_of(pipeline, tick.sensor))
                .values(failures=failures, error=tick.why, due_at=turn.at + wait)
            )
            return self._write(turn, tick, "failed", why=tick.why)

        return self._database.transact(work, ask=again)

    def _known(self, conn: Connection, tick: str) -> SensorTick | None:
        query = select(sensor_ticks).where(sensor_ticks.c.id == tick)
        row = conn.execute(query).mappings().first()
        return None if row is None else tick_of(row, _runs_of(conn, tick))

    def _ensure(self, turn: Turn, sensor: str) -> None:
        row = {
            "pipeline": turn.pipeline,
            "name": sensor,
            "cursor": "null",
            "number": 0,
            "failures": 0,
            "error": "",
            "due_at": None,
            "moved_at": turn.at,
        }
        turn.dialect.insert(turn.conn, sensors, [row], "DO NOTHING")

    def _move(self, turn: Turn, sensor: str, seen: SensorRow, cursor: object) -> bool:
        self._ensure(turn, sensor)
        moved = turn.conn.execute(
            update(sensors)
            .where(_of(turn.pipeline, sensor), sensors.c.number == seen.number)
            .values(
                cursor=dump(cursor),
                number=seen.number + 1,
                failures=0,
                error="",
                due_at=None,
                moved_at=turn.at,
            )
        )
        return moved.rowcount == 1

    def _insert(self, turn: Turn, tick: str, news: Sequence[News]) -> int:
        """Write what is new, each with the row of its run; give how much was."""
        rows = [
            {
                "id": each.id,
                "pipeline": turn.pipeline,
                "tick": tick,
                "run": each.run.id,
                "due_at": turn.at,
            }
            for each in news
        ]
        fresh = turn.dialect.insert_returning(
            turn.conn, triggers, rows, "DO NOTHING", ["id"]
        )
        ids = {str(row[0]) for row in fresh}
        new = [each for each in news if each.id in ids]
        turn.dialect.insert(
            turn.conn, runs, [run_row(each.run, turn.at) for each in new], "DO NOTHING"
        )
        turn.dialect.insert(
            turn.conn, events, [event_row(each.event, turn.at) for each in new]
        )
        for each in new[:1]:
            started = [n.run.id for n in new]
            write_audit(turn, "run.start", started, actor=each.run.actor)
        return len(new)

    def _write(
        self,
        turn: Turn,
        tick: SensorTick,
        outcome: str,
        *,
        why: str,
        found: int = 0,
        started: int = 0,
    ) -> SensorTick:
        row = {
            "id": tick.id,
            "pipeline": turn.pipeline,
            "sensor": tick.sensor,
            "at": turn.at,
            "outcome": outcome,
            "why": why,
            "found": found,
            "started": started,
        }
        turn.dialect.insert(turn.conn, sensor_ticks, [row])
        _forget_old(turn, tick.sensor)
        return tick_of(row, _runs_of(turn.conn, tick.id) if started else [])

    # --- delivering -----------------------------------------------------------------

    def due(self, pipeline: str, *, limit: int, owner: str = "") -> list[RunRow]:
        """Take runs of triggers that were not delivered yet, the oldest first.

        Nobody else is given them for half a minute: if whoever took them dies, they
        are due again.

        Args:
            pipeline: the app's name.
            limit: how many to take at most.
            owner: what proves that the process of the runs lives, where they need one.
        """
        with self._database.reading() as conn:
            query = select(triggers.c.seq).where(_due(pipeline, self._dialect.now()))
            if conn.execute(query.limit(1)).first() is None:
                return []

        def work(conn: Connection) -> list[RunRow]:
            at = self._dialect.clock(conn)
            query = (
                select(triggers.c.seq, triggers.c.run)
                .where(_due(pipeline, at))
                .order_by(triggers.c.seq)
                .limit(limit)
            )
            taken = conn.execute(self._dialect.locked(query, skip=True)).all()
            if not taken:
                return []
            mine = self._dialect.among(triggers.c.seq, [row.seq for row in taken])
            conn.execute(update(triggers).where(mine).values(due_at=at + _LEASE))
            ids = self._dialect.among(runs.c.id, [row.run for row in taken])
            if owner:
                conn.execute(update(runs).where(ids).values(owner=owner))
            found = conn.execute(select(runs).where(ids).order_by(runs.c.id))
            return [run_of(row) for row in found.mappings()]

        return self._database.transact(work)

    def delivered(self, found: Sequence[str]) -> None:
        """Say that runs were started, so that their triggers are not due again."""
        mine = self._dialect.among(triggers.c.run, found)
        self._database.transact(
            lambda conn: conn.execute(update(triggers).where(mine).values(due_at=None)),
            ask=again,
        )

    # --- asking ---------------------------------------------------------------------

    def tick(self, tick: str) -> SensorTick | None:
        """Give the look of an id, if it is recorded."""
        with self._database.reading() as conn:
            return self._known(conn, tick)

    def ticks(self, pipeline: str, sensor: str, limit: int) -> list[SensorTick]:
        """Give the last looks of a sensor, the newest first."""
        query = (
            select(sensor_ticks)
            .where(sensor_ticks.c.pipeline == pipeline, sensor_ticks.c.sensor == sensor)
            .order_by(sensor_ticks.c.seq.desc())
            .limit(limit)
        )
        with self._database.reading() as conn:
            rows = list(conn.execute(query).mappings())
            return [
                tick_of(
                    row, _runs_of(conn, row["id"], _SHOWN) if row["started"] else []
                )
                for row in rows
            ]

    def known(self, ids: Sequence[str]) -> set[str]:
        """Give which triggers are known already."""
        query = select(triggers.c.id).where(self._dialect.among(triggers.c.id, ids))
        with self._database.reading() as conn:
            return {str(row.id) for row in conn.execute(query)}


def _of(pipeline: str, sensor: str) -> Any:
    return (sensors.c.pipeline == pipeline) & (sensors.c.name == sensor)


def _due(pipeline: str, at: Any) -> Any:
    return (triggers.c.pipeline == pipeline) & (triggers.c.due_at <= at)


def _runs_of(conn: Connection, tick: str, limit: int | None = None) -> list[str]:
    query = (
        select(triggers.c.run)
        .where(triggers.c.tick == tick)
        .order_by(triggers.c.seq)
        .limit(limit)
    )
    return [str(row.run) for row in conn.execute(query)]


def _forget_old(turn: Turn, sensor: str) -> None:
    mine = (sensor_ticks.c.pipeline == turn.pipeline) & (
        sensor_ticks.c.sensor == sensor
    )
    last = (
        select(sensor_ticks.c.seq)
        .where(mine)
        .order_by(sensor_ticks.c.seq.desc())
        .offset(_KEPT)
        .limit(1)
        .scalar_subquery()
    )
    turn.conn.execute(
        delete(sensor_ticks).where(mine, sensor_ticks.c.seq <= cast("int", last))
    )
