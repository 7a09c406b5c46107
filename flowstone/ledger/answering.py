"""Answers to gates: each takes effect once, or is kept for a gate that will open.

A gate is named by its token, or by the outside world's own id for the answer. Whoever
opens it meanwhile sees the answer, or is seen by it: both take turns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, case, delete, select

from flowstone.core.errors import AlreadyDecided, BadToken, RunClosed
from flowstone.ledger.base import LIVE, Dispatch, Gate, Holding, Wanted
from flowstone.ledger.deciding import decide, is_late, winner
from flowstone.ledger.dialect import Dialect
from flowstone.ledger.inbox import answers, handed, outside_answers
from flowstone.ledger.outbox import AFTER, ring
from flowstone.ledger.rows import gate_of
from flowstone.ledger.schema import gates, runs
from flowstone.ledger.turn import Turn

__all__ = [
    "LATE",
    "Answer",
    "Note",
    "Place",
    "answer_gate",
    "answer_outside",
    "hand_out",
    "place_of_gate",
    "take_in",
    "turn_of",
]

LATE = "its deadline has passed"
"""Who was first, where an answer comes too late."""

Note = Callable[[Turn, str], None]
"""Writes down what came of an answer, in its transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What somebody says to a gate."""

    payload: str
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Whose gate it is, as far as is known.

    Attributes:
        open: whether an answer may still take effect.
    """

    asset: str
    key: str
    run: str
    open: bool


def turn_of(asset: str, outside: str) -> str:
    """Name the turns of those who mean the same outside id; before those of gates."""
    return f"!{asset}/{outside}"


def hand_out(turn: Turn, gate: str, who: Dispatch, wanted: Wanted) -> None:
    """Remember whose gate it is whose token is handed out."""
    row = {
        "gate": gate,
        "pipeline": turn.pipeline,
        "run": who.run,
        "asset": wanted.asset,
        "key": wanted.key,
        "at": turn.at,
    }
    turn.dialect.insert(turn.conn, handed, [row], "DO NOTHING")


def place_of_gate(conn: Connection, gate: str) -> Place | None:
    """Tell whose gate it is, open or yet to be opened."""
    query = select(
        gates.c.asset, gates.c.key, gates.c.run, (gates.c.state == "waiting")
    ).where(gates.c.id == gate)
    early = (
        select(handed.c.asset, handed.c.key, handed.c.run, runs.c.status.in_(LIVE))
        .join(runs, runs.c.id == handed.c.run)
        .where(handed.c.gate == gate)
    )
    # In this order: whoever opens the gate meanwhile makes one, and drops the other.
    handed_out = conn.execute(early).first()
    row = conn.execute(query).first() or handed_out
    if row is None:
        return None
    asset, key, run, is_open = row
    return Place(asset=asset, key=key, run=run, open=bool(is_open))


# --- answering ----------------------------------------------------------------------


def answer_gate(
    conn: Connection, dialect: Dialect, gate: str, given: Answer, note: Note
) -> Gate | None:
    """Decide a gate, or keep the answer for it; see `Gates.answer`."""
    dialect.take_turns(conn, [gate])
    query = dialect.locked(select(gates).where(gates.c.id == gate))
    row = conn.execute(query).mappings().first()
    if row is not None:
        turn = Turn.take(conn, dialect, str(row["pipeline"]))
        return _answer(turn, gate_of(row), given, note)
    place = place_of_gate(conn, gate)
    if place is not None and not place.open:
        raise RunClosed(run_id=place.run, status="ended")
    turn = Turn.take(conn, dialect, "")
    columns = {"payload": given.payload, "actor": given.actor, "at": turn.at}
    dialect.insert(conn, answers, [{"gate": gate, **columns}], "DO NOTHING")
    kept = select(answers.c.payload).where(answers.c.gate == gate)
    _check_kept(turn, kept, gate, given)
    note(turn, "kept")
    return None


def answer_outside(
    conn: Connection,
    dialect: Dialect,
    asset: str,
    outside: str,
    given: Answer,
    note: Note,
) -> Gate | None:
    """Decide the gate with an outside id, or keep the answer for it."""
    dialect.take_turns(conn, [turn_of(asset, outside)])
    found = conn.execute(
        select(gates.c.id)
        .where(gates.c.asset == asset, gates.c.outside == outside)
        .order_by(
            case((gates.c.state == "waiting", 0), else_=1), gates.c.opened_at.desc()
        )
        .limit(1)
    ).scalar()
    if found is not None:
        return answer_gate(conn, dialect, found, given, note)
    turn = Turn.take(conn, dialect, "")
    columns = {"payload": given.payload, "actor": given.actor, "at": turn.at}
    row = {"asset": asset, "outside": outside, **columns}
    dialect.insert(conn, outside_answers, [row], "DO NOTHING")
    kept = select(outside_answers.c.payload).where(
        outside_answers.c.asset == asset, outside_answers.c.outside == outside
    )
    _check_kept(turn, kept, outside, given)
    note(turn, "kept")
    return None


def _check_kept(turn: Turn, kept: Select[Any], gate: str, given: Answer) -> None:
    """Have the first early answer win."""
    if turn.conn.execute(kept).scalar_one() != given.payload:
        raise AlreadyDecided(gate=gate, winner="an earlier answer")


def _answer(turn: Turn, found: Gate, given: Answer, note: Note) -> Gate:
    if found.kind != "signal":
        # Nobody decides on a value by a token: who does is to be known.
        raise BadToken
    if found.state == "abandoned":
        raise RunClosed(run_id=found.run, status="ended")
    if found.state != "waiting":
        if found.payload != given.payload:
            raise AlreadyDecided(gate=found.id, winner=found.winner)
        note(turn, "repeated")
        return found
    # One that came before the gate has won, though its flow has not looked yet.
    kept = select(answers.c.payload, answers.c.actor).where(answers.c.gate == found.id)
    early = turn.conn.execute(kept).first()
    if early is not None:
        if early.payload != given.payload:
            raise AlreadyDecided(gate=found.id, winner="an earlier answer")
        note(turn, "repeated")
    elif is_late(turn, found):
        raise AlreadyDecided(gate=found.id, winner=LATE)
    else:
        note(turn, "answered")
    payload, actor = early or (given.payload, given.actor)
    decided = decide(turn, found, winner(actor), payload, actor)
    whom = [(found.workflow, found.run)]
    ring(turn, whom, gate=found.id, due=turn.at + AFTER)
    return decided


# --- opening ------------------------------------------------------------------------


def take_in(turn: Turn, held: Sequence[Holding]) -> None:
    """Give gates that open the answers that came for them by an outside id."""
    among = turn.dialect.among
    turn.conn.execute(
        delete(handed).where(among(handed.c.gate, [h.gate for h in held]))
    )
    for one in held:
        if one.outside is not None:
            _take_in(turn, one)


def _take_in(turn: Turn, held: Holding) -> None:
    mine = (
        outside_answers.c.asset == held.wanted.asset,
        outside_answers.c.outside == held.outside,
    )
    kept = turn.conn.execute(select(outside_answers).where(*mine)).first()
    if kept is None:
        return
    row = {"gate": held.gate, "payload": kept.payload, "actor": kept.actor}
    turn.dialect.insert(turn.conn, answers, [{**row, "at": kept.at}], "DO NOTHING")
    turn.conn.execute(delete(outside_answers).where(*mine))
