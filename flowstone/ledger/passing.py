"""What gates do by themselves when an instant of theirs has come.

Nobody looks at a clock here: the flow's own timer says which instant it was. A gate
that has another one next has done it already, or was given a new deadline meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update

from flowstone.core.approval_events import ApprovalReminded
from flowstone.core.events import Event, GateExtended
from flowstone.core.table import State
from flowstone.ledger.base import Gate
from flowstone.ledger.claims import free_run
from flowstone.ledger.deciding import (
    CLOCK,
    DEADLINE,
    approval_id,
    change,
    decide,
    escalate,
    judge,
    place_of,
)
from flowstone.ledger.rows import dump
from flowstone.ledger.schema import (
    claims,
    gates,
    input_members,
    pointers,
    run_nodes,
    versions,
)
from flowstone.ledger.turn import Turn

__all__ = ["Passed", "ask_anew", "pass_instant"]

_NOBODY = "nobody decided before its deadline"


@dataclass(slots=True)
class Passed:
    """What has come of instants in one transaction, beside the gates themselves."""

    news: list[Event] = field(default_factory=list[Event])
    anew: list[Gate] = field(default_factory=list[Gate])


def pass_instant(turn: Turn, gate: Gate, passed: Passed) -> Gate:
    """Do what a gate that waits does at its next instant."""
    due = gate.due_millis
    if due is not None and due in gate.reminders:
        return _remind(turn, gate, due, passed)
    if gate.kind == "approval":
        return _end_approval(turn, gate, passed)
    if gate.extensions and gate.on_timeout in {"extend", "rerun"}:
        return _wait_on(turn, gate, passed)
    return decide(turn, gate, DEADLINE, None, CLOCK)


def _remind(turn: Turn, gate: Gate, due: int, passed: Passed) -> Gate:
    left = [instant for instant in gate.reminders if instant > due]
    written = dump(left) if left else ""
    turn.conn.execute(
        update(gates).where(gates.c.id == gate.id).values(reminders=written)
    )
    told = ApprovalReminded(
        **place_of(gate),
        outcome="reminded",
        at=turn.at,
        approval=approval_id(gate),
        message=gate.message or None,
        escalated_to=gate.escalated_to or None,
    )
    passed.news.append(told)
    return replace(gate, reminders=left)


def _end_approval(turn: Turn, gate: Gate, passed: Passed) -> Gate:
    if gate.on_timeout == "escalate" and not gate.escalated_to:
        since = _since(turn, gate)
        found, told = escalate(turn, gate, gate.escalate_to, CLOCK, since=since)
        passed.news.append(told)
        return found
    decision = "approve" if gate.on_timeout == "approve" else "reject"
    return judge(turn, gate, decision, CLOCK, comment=_NOBODY)


def _wait_on(turn: Turn, gate: Gate, passed: Passed) -> Gate:
    """Give a gate a new deadline, or have its function asked again."""
    deadline = None
    if gate.on_timeout == "extend":
        assert gate.timeout_millis is not None, "a deadline has a length"
        length = timedelta(milliseconds=gate.timeout_millis)
        deadline = _since(turn, gate) + length
    found = replace(gate, deadline=deadline, extensions=gate.extensions - 1)
    if deadline is None:
        passed.anew.append(found)
    told = GateExtended(
        **place_of(gate),
        outcome="rerun" if deadline is None else "extended",
        at=turn.at,
        gate=gate.id,
        timeout_millis=gate.timeout_millis,
    )
    passed.news.append(told)
    return change(turn, found, f"gate.{gate.on_timeout}", CLOCK)


def _since(turn: Turn, gate: Gate) -> datetime:
    """Say from when on a new deadline counts: from the old one, if it can be kept.

    After an outage that would have passed too, and people would be left no time.
    """
    assert gate.deadline is not None, "only a deadline is extended"
    assert gate.timeout_millis is not None, "a deadline has a length"
    new = gate.deadline + timedelta(milliseconds=gate.timeout_millis)
    return gate.deadline if new > turn.at else turn.at


def ask_anew(turn: Turn, waiting: Sequence[Gate]) -> None:
    """Have nobody wait at gates, so that the functions of their cells are asked again.

    Of an approval that is made again, the run takes its inputs as they are now.
    """
    for gate in waiting:
        turn.conn.execute(
            delete(run_nodes).where(
                run_nodes.c.run == gate.run,
                run_nodes.c.node == gate.node,
                run_nodes.c.key_number == gate.key_number,
                run_nodes.c.state == int(State.WAITING),
            )
        )
        if gate.kind == "approval":
            _pin_again(turn, gate)
    query = (
        select(claims.c.asset, claims.c.key)
        .where(turn.dialect.among(claims.c.gate, [gate.id for gate in waiting]))
        .order_by(claims.c.asset, claims.c.key)
    )
    rows = turn.conn.execute(turn.dialect.locked(query))
    free_run(turn, [(asset, key) for asset, key in rows])


def _pin_again(turn: Turn, gate: Gate) -> None:
    query = (
        select(versions.c.id, pointers.c.version)
        .select_from(input_members)
        .join(versions, versions.c.id == input_members.c.version)
        .join(
            pointers,
            (pointers.c.asset == versions.c.asset) & (pointers.c.key == versions.c.key),
        )
        .where(input_members.c.inputs == gate.inputs)
    )
    for old, new in turn.conn.execute(query).all():
        if new is not None and new != old:
            turn.conn.execute(
                update(run_nodes)
                .where(run_nodes.c.run == gate.run, run_nodes.c.version == old)
                .values(version=new, state=int(State.REUSED))
            )
