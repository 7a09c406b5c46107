"""How gates stand, for the flow that waits at them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import Connection, delete, select, update

from flowstone.core.approval_events import (
    ApprovalDenied,
    ApprovalExpired,
    ApprovalGranted,
    ApprovalRecomputed,
)
from flowstone.core.events import Event, GateAnswered, GateExpired
from flowstone.core.table import State
from flowstone.ledger.base import Gate, Settled
from flowstone.ledger.cells import read_cells
from flowstone.ledger.deciding import approval_id, decide, place_of, winner
from flowstone.ledger.dialect import Dialect
from flowstone.ledger.passing import Passed, ask_anew, pass_instant
from flowstone.ledger.rows import event_row, gate_of
from flowstone.ledger.schema import answers, events, gates, outbox
from flowstone.ledger.turn import Turn

__all__ = ["Told", "settle"]


@dataclass(slots=True)
class Told:
    """What was said of gates, however often the transaction was done.

    One that is done again, as its outcome was unknown, may find its own words.
    """

    unseen: set[str] = field(default_factory=set[str])
    words: dict[tuple[str, str], Event] = field(
        default_factory=dict[tuple[str, str], Event]
    )


def settle(
    conn: Connection,
    dialect: Dialect,
    ids: Sequence[str],
    told: Told,
    *,
    expired: bool,
    instants: Mapping[str, int],
) -> Settled:
    """Take in what has come of gates, within a transaction.

    An answer that came before its gate is taken in; a gate whose instant has come, as
    its flow has it, does what it does then, without looking at a clock. How a gate was
    decided is recorded as an event when its flow sees it first.
    """
    query = select(gates).where(dialect.among(gates.c.id, ids)).order_by(gates.c.id)
    found = list(conn.execute(dialect.locked(query)).mappings())
    if not found:
        return Settled()
    turn = Turn.take(conn, dialect, str(found[0]["pipeline"]))
    asked = [gate_of(row) for row in found]
    early = _early(turn, [g.id for g in asked if _may_be_answered(g)])
    passed = Passed()
    settled: dict[str, Gate] = {}
    for gate in asked:
        if gate.state != "waiting":
            settled[gate.id] = gate
        elif gate.id in early:
            payload, actor = early[gate.id]
            settled[gate.id] = decide(turn, gate, winner(actor), payload, actor)
        elif expired and instants.get(gate.id, gate.due_millis) == gate.due_millis:
            settled[gate.id] = pass_instant(turn, gate, passed)
        else:
            settled[gate.id] = gate
    anew = _ask_anew(turn, settled, passed)
    _see(turn, settled)
    unseen = {str(row["id"]) for row in found if not row["seen"]}
    news = [*passed.news, *_decisions(settled, unseen)]
    dialect.insert(conn, events, [event_row(event, turn.at) for event in news])
    told.unseen |= unseen
    told.words |= {(e.name, str(e.data)): e for e in passed.news}
    said = [*told.words.values(), *_decisions(settled, told.unseen)]
    return Settled(gates=settled, news=said, anew=anew)


def _may_be_answered(gate: Gate) -> bool:
    return gate.state == "waiting" and gate.kind == "signal"


def _early(turn: Turn, ids: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Read the answers that came before their gates."""
    if not ids:
        return {}
    query = select(answers).where(turn.dialect.among(answers.c.gate, ids))
    return {r.gate: (r.payload, r.actor) for r in turn.conn.execute(query)}


def _ask_anew(
    turn: Turn, settled: Mapping[str, Gate], passed: Passed
) -> Collection[str]:
    """Give the gates whose functions are to be asked again, and see to it."""
    asked = [g for g in settled.values() if g.state == "waiting" or _is_remade(g)]
    if not asked:
        return ()
    cells = read_cells(turn, asked[0].run, {(g.node, g.key_number) for g in asked})
    waits = {at for at, (state, _) in cells.items() if state == State.WAITING}
    # Whoever asked before, and was lost with its reply, has seen to it already.
    gone = {g.id for g in asked if (g.node, g.key_number) not in waits}
    now = [*passed.anew, *(g for g in asked if _is_remade(g) and g.id not in gone)]
    if now:
        ask_anew(turn, now)
    return gone | {g.id for g in now}


def _is_remade(gate: Gate) -> bool:
    return gate.decision == "recompute" and gate.state == "decided"


def _see(turn: Turn, settled: Mapping[str, Gate]) -> None:
    """Note that the flow knows how things stand, so that no bell rings for them."""
    among = turn.dialect.among
    ended = [gate.id for gate in settled.values() if gate.state != "waiting"]
    if ended:
        turn.conn.execute(
            update(gates).where(among(gates.c.id, ended)).values(seen=True)
        )
    turn.conn.execute(delete(outbox).where(among(outbox.c.gate, list(settled))))


def _decisions(settled: Mapping[str, Gate], ids: Collection[str]) -> list[Event]:
    """Tell how those of some gates were decided that are."""
    found = [gate for i, gate in settled.items() if i in ids]
    return [
        _approved(gate) if gate.kind == "approval" else _answered(gate)
        for gate in found
        if gate.decided
    ]


def _answered(gate: Gate) -> Event:
    """Tell how a wait for a signal ended."""
    at = gate.decided_at or gate.opened_at
    if gate.state == "expired":
        return GateExpired(
            **place_of(gate),
            outcome="expired",
            at=at,
            gate=gate.id,
            waited_millis=_waited(gate),
        )
    return GateAnswered(
        **place_of(gate),
        outcome="answered",
        at=at,
        gate=gate.id,
        waited_millis=_waited(gate),
        winner=gate.winner,
    )


def _approved(gate: Gate) -> Event:
    """Tell what was decided on a value."""
    at, name = gate.decided_at or gate.opened_at, approval_id(gate)
    place = place_of(gate)
    if gate.decision == "recompute":
        word, by = "recomputed", gate.winner
        return ApprovalRecomputed(
            **place, outcome=word, at=at, approval=name, winner=by
        )
    if gate.state == "expired":
        return ApprovalExpired(
            **place,
            outcome="expired",
            at=at,
            approval=name,
            waited_millis=_waited(gate),
            decision=gate.decision,
        )
    if gate.decision == "approve":
        return ApprovalGranted(
            **place,
            outcome="approved",
            at=at,
            approval=name,
            waited_millis=_waited(gate),
            winner=gate.winner,
            edited=gate.edits is not None,
        )
    return _denied(gate)


def _denied(gate: Gate) -> Event:
    return ApprovalDenied(
        **place_of(gate),
        outcome="rejected",
        at=gate.decided_at or gate.opened_at,
        approval=approval_id(gate),
        waited_millis=_waited(gate),
        winner=gate.winner,
        reason=gate.comment or None,
    )


def _waited(gate: Gate) -> int:
    at = gate.decided_at or gate.opened_at
    return round((at - gate.opened_at) / timedelta(milliseconds=1))
