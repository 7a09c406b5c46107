"""Approvals: a value that is held back, and the one decision on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from flowstone.core.errors import (
    AlreadyDecided,
    OutOfDate,
    RunClosed,
    UnknownGate,
)
from flowstone.core.events import (
    ApprovalCancelled,
    ApprovalDenied,
    ApprovalEscalated,
    ApprovalExpired,
    ApprovalGranted,
    ApprovalRecomputed,
    ApprovalReminded,
    Event,
)
from flowstone.ledger.base import Commit, Gate
from tests.conformance.ledger_suite import APP, Book, at_once

HOUR = 3600.0


def gate(book: Book, name: str = "g") -> Gate:
    found = book.ledger.gates.get(name)
    assert found is not None
    return found


def decide(book: Book, decision: str, approval: str = "g") -> Gate:
    return book.ledger.approvals.decide(APP, approval, decision, "anna")


def test_what_is_held_back_is_a_version_that_nobody_sees(book: Book) -> None:
    """It can be looked at by its id, and is what readers see once it is approved."""
    who, raw = book.run(), book.want("raw")
    held = book.approval(who, raw)

    assert book.current("raw") is None
    assert book.ledger.catalog.version(f"{APP}/raw", "-", held) is not None
    decide(book, "approve")
    book.ledger.gates.settle(["g"], expired=False)
    settling = book.want("raw", gate="g")
    assert book.publish(who._replace(dispatch=2), settling, held) == ["committed"]
    assert book.current_id("raw") == held
    assert book.states(who) == ["held", "committed"]


def test_an_older_fence_publishes_nothing(book: Book) -> None:
    """Whoever settles an approval twice publishes it once."""
    who, raw = book.run(), book.want("raw", gate="g")
    held = book.approval(who, book.want("raw"))
    decide(book, "approve")
    book.ledger.gates.settle(["g"], expired=False)
    book.publish(who._replace(dispatch=2), raw, held)

    assert book.claim(who._replace(dispatch=3), raw).made


def test_the_oldest_come_first_and_only_they(book: Book) -> None:
    """People see what waits for a decision apart from what waits for a signal."""
    who = book.run()
    for number, name in enumerate(("b", "a")):
        book.approval(who._replace(dispatch=number + 1), book.want(name), f"g-{name}")
    book.hold(who._replace(dispatch=3), book.want("c"), "signal")
    approvals, gates = book.ledger.approvals, book.ledger.gates

    assert [g.id for g in approvals.waiting(APP)] == ["g-b", "g-a"]
    assert [g.id for g in approvals.waiting(APP, f"{APP}/a")] == ["g-a"]
    assert approvals.waiting("another") == []
    assert [g.id for g in gates.waiting(APP)] == ["signal"]
    for app, name in (("another", "g-a"), (APP, "signal"), (APP, "g-a.7")):
        with pytest.raises(UnknownGate):
            approvals.get(app, name)


def test_one_of_fifty_decisions_wins(book: Book) -> None:
    """All the others are told at once who it was."""
    book.approval(book.run(), book.want("raw"))

    def one(number: int) -> Callable[[], str]:
        def work() -> str:
            decision = ("approve", "reject")[number % 2]
            try:
                found = book.ledger.approvals.decide(
                    APP, "g.1", decision, f"person {number}"
                )
            except AlreadyDecided as error:
                return f"lost to {error.winner}"
            return found.winner

        return work

    said = at_once(one(number) for number in range(50))
    [winner] = [s for s in said if not s.startswith("lost")]
    assert said.count(f"lost to {winner}") == 49
    lines = book.ledger.catalog.audit(APP, limit=100, subject="g")
    assert len([line for line in lines if line.action.startswith("approval.")]) == 1
    assert len(book.ask("SELECT gate FROM flowstone_outbox WHERE gate = 'g'")) == 1


def test_a_decision_comes_too_late(book: Book) -> None:
    """After the deadline, by the ledger's clock, nobody decides but the deadline."""
    book.approval(book.run(), book.want("raw"), seconds=-1)

    for verb in ("approve", "reject", "recompute"):
        with pytest.raises(AlreadyDecided, match="its deadline has passed"):
            decide(book, verb)
    with pytest.raises(AlreadyDecided):
        book.ledger.approvals.escalate(APP, "g", "boss", "anna")


def test_a_deadline_that_asks_somebody_else_leaves_time_to_decide(book: Book) -> None:
    """Until it has, whoever was asked first may decide still."""
    terms: dict[str, Any] = {"on_timeout": "escalate", "escalate_to": "boss"}
    book.approval(book.run(), book.want("raw"), seconds=-1, **terms)

    assert decide(book, "approve").winner == "approved by anna"


def test_a_decision_is_on_what_was_looked_at(book: Book) -> None:
    """Where an input has moved on since, it is refused; deciding anew is not."""
    who, raw, trade = book.run(), book.want("raw"), book.want("trade", reads=["raw"])
    first = book.make(who, raw)
    two = who._replace(dispatch=2)
    book.approval(two, trade, reads={"raw": first})
    other = book.run("other")
    second = book.make(other, raw)
    [[read]] = book.ledger.approvals.reads([gate(book)]).values()

    assert (read.parameter, read.version, read.current) == ("raw", first, False)
    with pytest.raises(OutOfDate, match="'raw'"):
        decide(book, "approve")
    decide(book, "recompute")
    settled = book.ledger.gates.settle(["g"], expired=False)
    assert list(settled.anew) == ["g"]
    opened = book.open(who._replace(dispatch=3), [trade])
    pinned = opened.inputs[raw.cell]
    assert pinned is not None
    assert pinned.id == second
    assert opened.cells[0].attempt is not None


def test_a_round_that_was_replaced_is_out_of_date(book: Book) -> None:
    """Whoever looked at the first value does not decide on the second one."""
    who, raw = book.run(), book.want("raw")
    book.approval(who, raw)
    decide(book, "recompute", "g.1")
    with pytest.raises(AlreadyDecided, match="recomputed by anna"):
        decide(book, "approve", "g.1")
    book.ledger.gates.settle(["g"], expired=False)
    book.approval(who._replace(dispatch=2), raw)

    with pytest.raises(OutOfDate, match="replaced"):
        decide(book, "approve", "g.1")
    assert decide(book, "approve", "g.2").rounds == 2


def test_an_approval_ends_with_its_run(book: Book) -> None:
    """Whoever decides on what nobody waits for is told."""
    who = book.run()
    book.approval(who, book.want("raw"))
    book.end(who)

    with pytest.raises(RunClosed):
        decide(book, "approve")
    told = book.ledger.runs.events(who.run)
    [cancelled] = [e for e in told if isinstance(e, ApprovalCancelled)]
    assert (cancelled.approval, cancelled.outcome) == ("g.1", "abandoned")


def test_each_decision_is_recorded_when_its_flow_sees_it(book: Book) -> None:
    """Once, with who it was."""
    who, gates = book.run(), book.ledger.gates
    kinds = {
        "approve": ApprovalGranted,
        "reject": ApprovalDenied,
        "recompute": ApprovalRecomputed,
    }
    for number, (decision, kind) in enumerate(kinds.items()):
        dispatch = who._replace(dispatch=number + 1)
        book.approval(dispatch, book.want(decision), decision)
        decide(book, decision, decision)
        [event] = gates.settle([decision], expired=False).news
        assert isinstance(event, kind)
        assert event.approval == f"{decision}.1"
        assert str(event.winner).endswith(" by anna")
        assert gates.settle([decision], expired=False).news == []


def test_each_instant_is_recorded_once(book: Book) -> None:
    """Reminders, the escalation and the deadline come one after the other."""
    terms: dict[str, Any] = {
        "on_timeout": "escalate",
        "escalate_to": "boss",
        "reminders": [60.0],
    }
    who = book.run()
    book.approval(who, book.want("raw"), seconds=HOUR, **terms)
    news: list[Event] = []
    for _ in range(3):
        due = gate(book).due_millis
        assert due is not None
        for _ in range(2):
            found = book.ledger.gates.settle(["g"], expired=True, instants={"g": due})
            news += found.news

    assert [type(event) for event in news] == [
        ApprovalReminded,
        ApprovalEscalated,
        ApprovalExpired,
    ]
    assert gate(book).decision == "reject"
    recorded = [e for e in book.ledger.runs.events(who.run) if "approval" in e.data]
    assert recorded == news


def test_a_manual_escalation_is_recorded_and_rings(book: Book) -> None:
    """The flow hears of the new deadline, and is rung no more once it has looked."""
    who = book.run()
    book.approval(who, book.want("raw"), seconds=HOUR)
    found, event = book.ledger.approvals.escalate(APP, "g", "boss", "anna")
    rung = "SELECT gate FROM flowstone_outbox WHERE gate = 'g'"

    assert isinstance(event, ApprovalEscalated)
    assert (event.by, event.escalated_to) == ("anna", "boss")
    assert found.deadline is not None
    assert event in book.ledger.runs.events(who.run)
    assert len(book.ask(rung)) == 1
    settled = book.ledger.gates.settle(["g"], expired=False)
    assert settled.gates["g"].deadline == found.deadline
    assert book.ask(rung) == []


def test_a_gate_that_expires_again_and_again(book: Book) -> None:
    """A signal whose function is asked anew leaves neither claim nor wait behind."""
    who, raw = book.run(), book.want("raw")
    held = replace(
        book.holding(raw, book.claim(who, raw), seconds=HOUR),
        on_timeout="rerun",
        extensions=1,
    )
    assert book.commit(who, Commit(holding=[held], release=True)) == ["held"]
    settled = book.ledger.gates.settle(["g"], expired=True)

    assert list(settled.anew) == ["g"]
    assert gate(book).deadline is None
    assert book.claim(who._replace(dispatch=2), raw).attempt is not None
