"""Gates: waits for an answer, decided once, by compare-and-set.

The answer takes effect in one transaction; the bell that is rung afterwards carries
the gate's id only. A lost, doubled or late bell changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, select, update

from flowstone.core.errors import AlreadyDecided, RunClosed
from flowstone.ledger.base import Dispatch, Gate, Holding
from flowstone.ledger.claims import hold
from flowstone.ledger.database import Database
from flowstone.ledger.rows import clock, dump, gate_of
from flowstone.ledger.schema import answers, audit, gates, outbox
from flowstone.ledger.turn import Turn

__all__ = ["Gates", "open_gates"]

_OPEN_AGAIN = (
    # One that has expired is opened again, by whoever decided so.
    "(id) DO UPDATE SET state = 'waiting', deadline = excluded.deadline, "
    "decided_at = NULL, winner = '' WHERE flowstone_gates.state = 'expired'"
)


class Gates:
    """Reads and decides gates.

    Args:
        database: where the tables are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._dialect = database.dialect

    def get(self, gate: str) -> Gate | None:
        """Give a gate, if it was opened."""
        with self._database.reading() as conn:
            query = select(gates).where(gates.c.id == gate)
            row = conn.execute(query).mappings().first()
        return None if row is None else gate_of(row)

    def waiting(self, pipeline: str, limit: int = 1000) -> list[Gate]:
        """Give the gates that wait, the oldest first."""
        query = (
            select(gates)
            .where(gates.c.pipeline == pipeline, gates.c.state == "waiting")
            .order_by(gates.c.opened_at)
            .limit(limit)
        )
        with self._database.reading() as conn:
            return [gate_of(row) for row in conn.execute(query).mappings()]

    def answer(self, gate: str, payload: str, actor: str) -> Gate | None:
        """Decide a gate with a payload; keep the answer where it is not open yet.

        Returns:
            The gate, decided; `None` where the answer is kept for it.

        Raises:
            AlreadyDecided: with another payload, or its deadline has passed.
            RunClosed: nobody waits for it any more.
        """
        return self._database.transact(
            lambda conn: self._answer(conn, gate, payload, actor)
        )

    def _answer(
        self, conn: Connection, gate: str, payload: str, actor: str
    ) -> Gate | None:
        at = clock(conn)
        query = self._dialect.locked(select(gates).where(gates.c.id == gate))
        row = conn.execute(query).mappings().first()
        if row is None:
            self._keep(conn, gate, payload, actor, at)
            return None
        found = gate_of(row)
        if found.state == "abandoned":
            raise RunClosed(run_id=found.run, status="ended")
        if found.state != "waiting":
            if found.payload == payload:
                return found
            raise AlreadyDecided(gate=gate, winner=found.winner)
        if found.deadline is not None and at > found.deadline:
            raise AlreadyDecided(gate=gate, winner="its deadline has passed")
        winner = f"answered by {actor or 'the holder of its token'}"
        self.decide(conn, found, winner, payload, at, actor)
        self._ring(conn, row["pipeline"], found, at)
        return found

    def _keep(
        self, conn: Connection, gate: str, payload: str, actor: str, at: datetime
    ) -> None:
        """Keep an answer that came before its gate; the first one wins."""
        row = {"gate": gate, "payload": payload, "actor": actor, "at": at}
        self._dialect.insert(conn, answers, [row], "DO NOTHING")
        kept = conn.execute(
            select(answers.c.payload).where(answers.c.gate == gate)
        ).scalar_one()
        if kept != payload:
            raise AlreadyDecided(gate=gate, winner="an earlier answer")

    def decide(
        self,
        conn: Connection,
        gate: Gate,
        winner: str,
        payload: str | None,
        at: datetime,
        actor: str,
    ) -> None:
        """Set a gate's decision, and write who took it."""
        state = "decided" if payload is not None else "expired"
        conn.execute(
            update(gates)
            .where(gates.c.id == gate.id, gates.c.state == "waiting")
            .values(state=state, decided_at=at, winner=winner, payload=payload)
        )
        self._dialect.insert(
            conn,
            audit,
            [
                {
                    "at": at,
                    "actor": actor or "token",
                    "action": f"gate.{state}",
                    "subject": gate.id,
                    "run": gate.run,
                    "data": dump({"asset": gate.asset, "key": gate.key}),
                }
            ],
        )

    def _ring(self, conn: Connection, pipeline: str, gate: Gate, at: datetime) -> None:
        self._dialect.insert(
            conn,
            outbox,
            [
                {
                    "pipeline": pipeline,
                    "workflow": gate.workflow,
                    "run": gate.run,
                    "gate": gate.id,
                    "due_at": at,
                    "tries": 0,
                }
            ],
        )

    def settle(self, ids: Sequence[str], *, expired: bool) -> dict[str, Gate]:
        """Give how gates stand, for the flow that waits at them.

        An answer that came before its gate is taken in; a gate whose deadline its
        flow says has passed is decided as expired, without looking at a clock.
        """

        def work(conn: Connection) -> dict[str, Gate]:
            at = clock(conn)
            query = self._dialect.locked(
                select(gates)
                .where(self._dialect.among(gates.c.id, sorted(ids)))
                .order_by(gates.c.id)
            )
            found = [gate_of(row) for row in conn.execute(query).mappings()]
            early = self._early(conn, [g.id for g in found if g.state == "waiting"])
            for gate in found:
                if gate.state != "waiting":
                    continue
                if gate.id in early:
                    payload, actor = early[gate.id]
                    winner = f"answered by {actor or 'the holder of its token'}"
                    self.decide(conn, gate, winner, payload, at, actor)
                elif expired:
                    self.decide(conn, gate, "its deadline", None, at, "clock")
            again = select(gates).where(self._dialect.among(gates.c.id, sorted(ids)))
            settled = {g.id: g for g in map(gate_of, conn.execute(again).mappings())}
            self._seen(conn, [g for g in settled.values() if g.state != "waiting"])
            return settled

        return self._database.transact(work)

    def _early(
        self, conn: Connection, ids: Sequence[str]
    ) -> dict[str, tuple[str, str]]:
        if not ids:
            return {}
        query = select(answers).where(self._dialect.among(answers.c.gate, sorted(ids)))
        return {r.gate: (r.payload, r.actor) for r in conn.execute(query)}

    def _seen(self, conn: Connection, decided: Sequence[Gate]) -> None:
        ids = sorted(g.id for g in decided)
        if not ids:
            return
        among = self._dialect.among
        conn.execute(update(gates).where(among(gates.c.id, ids)).values(seen=True))
        conn.execute(delete(outbox).where(among(outbox.c.gate, ids)))

    def has_answer(self, gate: str) -> bool:
        """Tell whether an answer waits for a gate that is about to open."""
        query = select(answers.c.gate).where(answers.c.gate == gate)
        with self._database.reading() as conn:
            return conn.execute(query).first() is not None


def open_gates(turn: Turn, who: Dispatch, held: Sequence[Holding]) -> None:
    """Have cells wait at their gates, within a transaction."""
    rows = [
        {
            "id": h.gate,
            "run": who.run,
            "node": h.wanted.node,
            "key_number": h.wanted.key_number,
            "item": -1,
            "asset": h.wanted.asset,
            "key": h.wanted.key,
            "pipeline": turn.pipeline,
            "workflow": who.workflow,
            "state": "waiting",
            "on_timeout": h.on_timeout,
            "opened_at": turn.at,
            "deadline": None
            if h.timeout_seconds is None
            else turn.at + timedelta(seconds=h.timeout_seconds),
            "winner": "",
            "seen": False,
            "input_version": "",
        }
        for h in held
    ]
    turn.dialect.insert(turn.conn, gates, rows, _OPEN_AGAIN)
    hold(turn, held)
