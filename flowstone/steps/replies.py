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
from flowstone.ledger.gates import Gates

__all__ = ["closed", "in_millis", "opened_gate"]


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
    answered = found.state != "waiting" or gates.has_answer(gate)
    return Held(gate=gate, deadline=found.deadline, answered=answered)
