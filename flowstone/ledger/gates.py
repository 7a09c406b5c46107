"""Gates: waits for an answer, decided once, by compare-and-set.

The answer takes effect in one transaction; the bell that is rung afterwards carries
the gate's id only. A lost, doubled or late bell changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import Connection, delete, select, update

from flowstone.core.errors import AlreadyDecided, RunClosed
from flowstone.core.events import Event, GateAnswered, GateExpired
from flowstone.ledger.audit import write_audit
from flowstone.ledger.base import Dispatch, Gate, Holding, Settled
from flowstone.ledger.claims import hold
from flowstone.ledger.database import Database, again
from flowstone.ledger.outbox import AFTER, ring
from flowstone.ledger.rows import event_row, gate_of
from flowstone.ledger.schema import answers, events, gates, outbox
from flowstone.ledger.turn import Turn
from flowstone.ledger.versions import add_inputs, input_set

__all__ = ["Gates", "open_gates"]

_OPEN_AGAIN = (
    # One that has expired is opened again, by whoever decided so.
    "(id) DO UPDATE SET state = 'waiting', deadline = excluded.deadline, "
    "decided_at = NULL, winner = '', payload = NULL, seen = excluded.seen "
    "WHERE flowstone_gates.state = 'expired'"
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

    def has_answer(self, gate: str) -> bool:
        """Tell whether an answer waits for a gate that has just opened."""
        query = select(answers.c.gate).where(answers.c.gate == gate)
        with self._database.reading() as conn:
            return conn.execute(query).first() is not None

    # --- answering ------------------------------------------------------------------

    def answer(self, gate: str, payload: str, actor: str) -> Gate | None:
        """Decide a gate with a payload; keep the answer where it is not open yet.

        Returns:
            The gate, decided; `None` where the answer is kept for it.

        Raises:
            AlreadyDecided: with another payload, or its deadline has passed.
            RunClosed: nobody waits for it any more.
        """
        return self._database.transact(
            lambda conn: self._answer(conn, gate, payload, actor), ask=again
        )

    def _answer(
        self, conn: Connection, gate: str, payload: str, actor: str
    ) -> Gate | None:
        # Whoever opens the gate meanwhile must see this answer, or be seen by it.
        self._dialect.take_turns(conn, [gate])
        query = self._dialect.locked(select(gates).where(gates.c.id == gate))
        row = conn.execute(query).mappings().first()
        pipeline = "" if row is None else str(row["pipeline"])
        turn = Turn.take(conn, self._dialect, pipeline)
        if row is None:
            _keep(turn, gate, payload, actor)
            return None
        found = gate_of(row)
        if found.state == "abandoned":
            raise RunClosed(run_id=found.run, status="ended")
        if found.state != "waiting":
            if found.payload == payload:
                return found
            raise AlreadyDecided(gate=gate, winner=found.winner)
        if found.deadline is not None and turn.at > found.deadline:
            raise AlreadyDecided(gate=gate, winner="its deadline has passed")
        decided = _decide(turn, found, _winner(actor), payload, actor)
        ring(turn, [(found.workflow, found.run)], gate=gate, due=turn.at + AFTER)
        return decided

    # --- settling -------------------------------------------------------------------

    def settle(self, ids: Sequence[str], *, expired: bool) -> Settled:
        """Give how gates stand, for the flow that waits at them.

        An answer that came before its gate is taken in; a gate whose deadline its
        flow says has passed is decided as expired, without looking at a clock. How a
        gate was decided is recorded as an event when its flow sees it first.

        Args:
            ids: gates of one run.
            expired: whether their deadlines have passed, as the flow has it.
        """
        new: set[str] = set()
        return self._database.transact(
            lambda conn: self._settle(conn, sorted(ids), new, expired=expired),
            ask=again,
        )

    def _settle(
        self, conn: Connection, ids: Sequence[str], new: set[str], *, expired: bool
    ) -> Settled:
        query = select(gates).where(self._dialect.among(gates.c.id, ids))
        rows = conn.execute(self._dialect.locked(query.order_by(gates.c.id)))
        found = list(rows.mappings())
        if not found:
            return Settled()
        turn = Turn.take(conn, self._dialect, str(found[0]["pipeline"]))
        asked = [gate_of(row) for row in found]
        early = _early(turn, [g.id for g in asked if g.state == "waiting"])
        settled: dict[str, Gate] = {}
        for gate in asked:
            if gate.state != "waiting":
                settled[gate.id] = gate
            elif gate.id in early:
                payload, actor = early[gate.id]
                settled[gate.id] = _decide(turn, gate, _winner(actor), payload, actor)
            elif expired:
                settled[gate.id] = _decide(turn, gate, "its deadline", None, "clock")
            else:
                settled[gate.id] = gate
        _see(turn, [g.id for g in settled.values() if g.state != "waiting"])
        unseen = {str(row["id"]) for row in found if not row["seen"]}
        told = [event_row(e, turn.at) for e in _decisions(settled, unseen)]
        self._dialect.insert(conn, events, told)
        # One that is done again, as its outcome was unknown, may find its own word.
        new |= unseen
        return Settled(gates=settled, news=_decisions(settled, new))


def open_gates(turn: Turn, who: Dispatch, held: Sequence[Holding]) -> None:
    """Have cells wait at their gates, within a transaction."""
    if not held:
        return
    turn.dialect.take_turns(turn.conn, sorted(h.gate for h in held))
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
            "inputs": input_set(h.reads),
        }
        for h in held
    ]
    turn.dialect.insert(turn.conn, gates, rows, _OPEN_AGAIN)
    add_inputs(turn, [h.reads for h in held])
    hold(turn, held)


def _keep(turn: Turn, gate: str, payload: str, actor: str) -> None:
    """Keep an answer that came before its gate; the first one wins."""
    row = {"gate": gate, "payload": payload, "actor": actor, "at": turn.at}
    turn.dialect.insert(turn.conn, answers, [row], "DO NOTHING")
    query = select(answers.c.payload).where(answers.c.gate == gate)
    if turn.conn.execute(query).scalar_one() != payload:
        raise AlreadyDecided(gate=gate, winner="an earlier answer")


def _winner(actor: str) -> str:
    return f"answered by {actor or 'the holder of its token'}"


def _decide(
    turn: Turn, gate: Gate, winner: str, payload: str | None, actor: str
) -> Gate:
    """Set the decision of a gate that is locked, and write who took it."""
    state = "decided" if payload is not None else "expired"
    turn.conn.execute(
        update(gates)
        .where(gates.c.id == gate.id, gates.c.state == "waiting")
        .values(state=state, decided_at=turn.at, winner=winner, payload=payload)
    )
    write_audit(
        turn,
        f"gate.{state}",
        [gate.id],
        actor=actor or "token",
        run=gate.run,
        data={"asset": gate.asset, "key": gate.key},
    )
    return replace(
        gate, state=state, decided_at=turn.at, winner=winner, payload=payload
    )


def _early(turn: Turn, ids: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Read the answers that came before their gates."""
    if not ids:
        return {}
    query = select(answers).where(turn.dialect.among(answers.c.gate, ids))
    return {r.gate: (r.payload, r.actor) for r in turn.conn.execute(query)}


def _see(turn: Turn, ids: Sequence[str]) -> None:
    """Note that the flow knows of decisions, so that no bell rings for them."""
    if not ids:
        return
    among = turn.dialect.among
    turn.conn.execute(update(gates).where(among(gates.c.id, ids)).values(seen=True))
    turn.conn.execute(delete(outbox).where(among(outbox.c.gate, ids)))


def _decisions(settled: Mapping[str, Gate], ids: Collection[str]) -> list[Event]:
    """Tell how those of some gates were decided that are."""
    found = [gate for i, gate in settled.items() if i in ids]
    return [_decision(gate) for gate in found if gate.state in {"decided", "expired"}]


def _decision(gate: Gate) -> Event:
    """Tell how a gate was decided."""
    at = gate.decided_at or gate.opened_at
    kind = GateAnswered if gate.state == "decided" else GateExpired
    told = kind(
        asset=gate.asset.split("/", 1)[-1],
        key=gate.key,
        run=gate.run,
        outcome="answered" if gate.state == "decided" else "expired",
        at=at,
        gate=gate.id,
        waited_millis=round((at - gate.opened_at) / timedelta(milliseconds=1)),
    )
    if isinstance(told, GateAnswered):
        return replace(told, winner=gate.winner)
    return told
