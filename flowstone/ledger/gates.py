"""Gates: waits for an answer, decided once, by compare-and-set.

The answer takes effect in one transaction; the bell that is rung afterwards carries
the gate's id only. A lost, doubled or late bell changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType

from sqlalchemy import Connection, select

from flowstone.core.alarms import to_millis
from flowstone.ledger.answering import (
    Answer,
    Note,
    Place,
    answer_gate,
    answer_outside,
    hand_out,
    place_of_gate,
    take_in,
    turn_of,
)
from flowstone.ledger.base import Dispatch, Gate, Holding, Settled, Wanted
from flowstone.ledger.claims import hold
from flowstone.ledger.database import Database, again
from flowstone.ledger.inbox import answers
from flowstone.ledger.rows import dump, gate_of
from flowstone.ledger.schema import gates
from flowstone.ledger.settling import Told, settle
from flowstone.ledger.turn import Turn
from flowstone.ledger.versions import add_inputs, input_set

__all__ = ["Gates", "open_gates"]

_OPEN_AGAIN = """
(id) DO UPDATE SET
    state = 'waiting', decided_at = NULL, winner = '', payload = NULL,
    decision = '', comment = '', edits = NULL, escalated_to = '',
    deadline = excluded.deadline, seen = excluded.seen, inputs = excluded.inputs,
    kind = excluded.kind, on_timeout = excluded.on_timeout,
    timeout_millis = excluded.timeout_millis, reminders = excluded.reminders,
    message = excluded.message, held = excluded.held,
    escalate_to = excluded.escalate_to, outside = excluded.outside,
    rounds = flowstone_gates.rounds + 1,
    opened_at = CASE WHEN excluded.kind = 'signal' THEN flowstone_gates.opened_at
        ELSE excluded.opened_at END,
    extensions = CASE WHEN flowstone_gates.state = 'waiting'
        THEN flowstone_gates.extensions ELSE excluded.extensions END
WHERE flowstone_gates.state IN ('waiting', 'expired')
    OR flowstone_gates.decision = 'recompute'
    OR flowstone_gates.kind <> excluded.kind
"""
"""One is opened again that has expired, by whoever decided so, or whose function was
asked anew; an answer that came meanwhile stands."""


def _unnoted(turn: Turn, outcome: str) -> None:
    """Write nothing down."""
    del turn, outcome


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
            .where(
                gates.c.pipeline == pipeline,
                gates.c.state == "waiting",
                gates.c.kind == "signal",
            )
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

    def hand_out(self, pipeline: str, gate: str, who: Dispatch, wanted: Wanted) -> None:
        """Remember whose gate it is, before anybody has its token."""

        def work(conn: Connection) -> None:
            hand_out(Turn.take(conn, self._dialect, pipeline), gate, who, wanted)

        self._database.transact(work, ask=again)

    def place(self, gate: str) -> Place | None:
        """Tell whose gate it is, open or yet to be opened."""
        with self._database.reading() as conn:
            return place_of_gate(conn, gate)

    def is_taken(self, asset: str, outside: str, gate: str) -> bool:
        """Tell whether another gate of an asset waits with an outside id."""
        query = select(gates.c.id).where(
            gates.c.asset == asset,
            gates.c.outside == outside,
            gates.c.state == "waiting",
            gates.c.id != gate,
        )
        with self._database.reading() as conn:
            return conn.execute(query).first() is not None

    def answer(
        self, gate: str, payload: str, actor: str, note: Note = _unnoted
    ) -> Gate | None:
        """Decide a gate with a payload; keep the answer where it is not open yet.

        Args:
            gate: its id.
            payload: the answer, as JSON.
            actor: who gives it.
            note: writes down what came of it: `answered`, `kept` or `repeated`.

        Returns:
            The gate, decided; `None` where the answer is kept for it.

        Raises:
            AlreadyDecided: with another payload, or its deadline has passed.
            RunClosed: nobody waits for it any more.
        """
        given = Answer(payload=payload, actor=actor)
        return self._database.transact(
            lambda conn: answer_gate(conn, self._dialect, gate, given, note), ask=again
        )

    def answer_outside(
        self, asset: str, outside: str, payload: str, actor: str, note: Note = _unnoted
    ) -> Gate | None:
        """Decide the gate that waits with an outside id; as `answer` otherwise."""
        given = Answer(payload=payload, actor=actor)
        return self._database.transact(
            lambda conn: answer_outside(
                conn, self._dialect, asset, outside, given, note
            ),
            ask=again,
        )

    # --- settling -------------------------------------------------------------------

    def settle(
        self,
        ids: Sequence[str],
        *,
        expired: bool,
        instants: Mapping[str, int] = MappingProxyType({}),
    ) -> Settled:
        """Give how gates stand, for the flow that waits at them; see `settle`.

        Args:
            ids: gates of one run.
            expired: whether an instant of theirs has come, as the flow has it.
            instants: which, in milliseconds; one that is not told is the next.
        """
        told = Told()
        return self._database.transact(
            lambda conn: settle(
                conn,
                self._dialect,
                sorted(ids),
                told,
                expired=expired,
                instants=instants,
            ),
            ask=again,
        )


def open_gates(turn: Turn, who: Dispatch, held: Sequence[Holding]) -> dict[str, int]:
    """Have cells wait at their gates, within a transaction.

    Returns:
        The rounds that have begun; a gate that is answered already begins none.
    """
    if not held:
        return {}
    outside = [turn_of(h.wanted.asset, h.outside) for h in held if h.outside]
    turn.dialect.take_turns(turn.conn, sorted([*outside, *(h.gate for h in held)]))
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
            **_terms(turn, h),
        }
        for h in held
    ]
    begun = turn.dialect.insert_returning(
        turn.conn, gates, rows, _OPEN_AGAIN, ("id", "rounds")
    )
    add_inputs(turn, [h.reads for h in held])
    take_in(turn, held)
    hold(turn, held)
    return {str(gate): int(str(number)) for gate, number in begun}


def _terms(turn: Turn, held: Holding) -> dict[str, object]:
    """Give what was agreed on for a wait."""
    seconds, made = held.timeout_seconds, held.made
    reminders = [
        to_millis(turn.at + timedelta(seconds=after))
        for after in sorted(set(held.reminders))
    ]
    return {
        "kind": "signal" if made is None else "approval",
        "timeout_millis": None if seconds is None else round(seconds * 1000),
        "extensions": held.extensions,
        "reminders": dump(reminders) if reminders else "",
        "message": held.message,
        "held": None if made is None else made.attempt.id,
        "escalate_to": held.escalate_to,
        "outside": held.outside,
    }
