"""Decisions on gates: each is taken once, on a row that is locked, and written down."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypedDict

from sqlalchemy import update

from flowstone.core.approval_events import ApprovalEscalated
from flowstone.core.events import Event
from flowstone.ledger.audit import write_audit
from flowstone.ledger.base import Gate
from flowstone.ledger.schema import gates
from flowstone.ledger.turn import Turn

__all__ = [
    "CLOCK",
    "DEADLINE",
    "Place",
    "approval_id",
    "change",
    "decide",
    "escalate",
    "is_late",
    "judge",
    "place_of",
    "winner",
]

CLOCK = "clock"
"""The actor of what happens at a deadline."""
DEADLINE = "its deadline"
"""Who decided, where it was the deadline."""

_PAST = {"approve": "approved", "reject": "rejected", "recompute": "recomputed"}


def winner(actor: str) -> str:
    """Say whose answer it was."""
    return f"answered by {actor or 'the holder of its token'}"


def is_late(turn: Turn, gate: Gate) -> bool:
    """Tell whether an answer comes after the deadline, by the database's clock.

    Where the deadline only has the gate wait on, no answer is late before that.
    """
    if gate.deadline is None or turn.at <= gate.deadline:
        return False
    if gate.kind == "approval":
        return gate.on_timeout != "escalate" or bool(gate.escalated_to)
    return gate.on_timeout not in {"extend", "rerun"} or not gate.extensions


def decide(
    turn: Turn, gate: Gate, winner: str, payload: str | None, actor: str
) -> Gate:
    """Set the answer of a gate, or that none came, and write down who decided so."""
    state = "decided" if payload is not None else "expired"
    decided = replace(
        gate, state=state, decided_at=turn.at, winner=winner, payload=payload
    )
    return change(turn, decided, f"gate.{state}", actor or "token")


def judge(
    turn: Turn,
    gate: Gate,
    decision: str,
    actor: str,
    *,
    comment: str = "",
    edits: str | None = None,
) -> Gate:
    """Set the decision on an approval; `CLOCK` decides at the deadline."""
    clock = actor == CLOCK
    judged = replace(
        gate,
        state="expired" if clock else "decided",
        decided_at=turn.at,
        winner=DEADLINE if clock else f"{_PAST[decision]} by {actor or 'somebody'}",
        decision=decision,
        comment=comment,
        edits=edits,
    )
    return change(turn, judged, f"approval.{decision}", actor)


def escalate(
    turn: Turn, gate: Gate, to: str, actor: str, *, since: datetime
) -> tuple[Gate, Event]:
    """Have somebody else decide, with a new deadline of the same length.

    Args:
        turn: the transaction.
        gate: the approval.
        to: who is asked from now on.
        actor: who has it escalated.
        since: from when on the new deadline counts.
    """
    deadline = gate.deadline
    if deadline is not None and gate.timeout_millis is not None:
        deadline = since + timedelta(milliseconds=gate.timeout_millis)
    escalated = replace(gate, escalated_to=to, deadline=deadline)
    told = ApprovalEscalated(
        **place_of(gate),
        outcome="escalated",
        at=turn.at,
        approval=approval_id(gate),
        message=gate.message or None,
        escalated_to=to,
        by=DEADLINE if actor == CLOCK else actor,
    )
    return change(turn, escalated, "approval.escalate", actor), told


def change(turn: Turn, gate: Gate, action: str, actor: str) -> Gate:
    """Write a gate as it has become, and who did that to it."""
    columns = (
        *("state", "decided_at", "winner", "payload", "deadline", "extensions"),
        *("escalated_to", "decision", "comment", "edits"),
    )
    turn.conn.execute(
        update(gates)
        .where(gates.c.id == gate.id, gates.c.state == "waiting")
        .values({name: getattr(gate, name) for name in columns})
    )
    data: dict[str, object] = {"asset": gate.asset, "key": gate.key}
    if gate.kind == "approval":
        more = {
            "version": gate.held,
            "inputs": gate.inputs,
            "round": gate.rounds,
            "comment": gate.comment,
            "edited": gate.edits is not None,
            "escalated_to": gate.escalated_to,
        }
        data |= {name: value for name, value in more.items() if value}
    write_audit(turn, action, [gate.id], actor=actor, run=gate.run, data=data)
    return gate


def approval_id(gate: Gate) -> str:
    """Name one round of an approval: whoever decides names what was looked at."""
    return f"{gate.id}.{gate.rounds}"


class Place(TypedDict):
    """Where something happened, as every event says it."""

    asset: str
    key: str
    run: str


def place_of(gate: Gate) -> Place:
    """Say where a gate is."""
    return Place(asset=gate.asset.split("/", 1)[-1], key=gate.key, run=gate.run)
