"""Replies of packs, and what is in them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from flowstone.core.messages import Cell
from flowstone.core.replies import (
    Held,
    Left,
    PackReply,
    Produced,
    Reply,
    Superseded,
)
from flowstone.ledger.base import Gate
from flowstone.ledger.gates import Gates
from flowstone.steps.invoke import shown

__all__ = ["closed", "held_at", "in_millis", "opened_gate"]

_NAME = 80


def closed(cells: Sequence[Cell], *, ended: bool = False) -> PackReply:
    """Answer a pack whose run has ended: by itself, where its last reply was lost."""
    if ended:
        return PackReply(replies=[Produced(millis=-1) for _ in cells], ended=True)
    return PackReply(replies=[Left() for _ in cells], closed=True)


def in_millis(delay: timedelta) -> int:
    """Give a wait in milliseconds; one that is over already is none."""
    return max(round(delay.total_seconds() * 1000), 0)


def opened_gate(gates: Gates, gate: str) -> Reply:
    """Say what a gate waits for, as its ledger has it now."""
    found = gates.get(gate)
    if found is None:
        return Superseded()
    early = found.kind == "signal" and gates.has_answer(gate)
    return held_at(found, answered=found.state != "waiting" or early)


def held_at(gate: Gate, *, answered: bool = False) -> Reply:
    """Say that a cell waits at a gate, until when, and for what."""
    waits_for = ""
    if gate.kind == "approval":
        by = f" by {shown(gate.escalated_to, _NAME)}" if gate.escalated_to else ""
        waits_for = f"a decision{by}"
    return Held(gate=gate.id, deadline=gate.due, answered=answered, waits_for=waits_for)
