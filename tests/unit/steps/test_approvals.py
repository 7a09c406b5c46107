"""Approvals: a value is held back until somebody has decided on it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from flowstone.core.asset import Asset, asset
from flowstone.core.errors import AlreadyDecided, ApprovalRejected, BadToken, OutOfDate
from flowstone.core.events import ApprovalReminded, ApprovalRequested
from flowstone.core.outcome import Approval, Signal
from flowstone.core.replies import Busy, Held, Left, Produced, Raised
from flowstone.ledger.base import Gate
from flowstone.ledger.deciding import approval_id
from flowstone.ledger.rows import error_of
from flowstone.steps.edits import write_edits
from flowstone.steps.shelf import stored_of
from tests.unit.steps.bench import Bench, Make
from tests.unit.steps.waiting import answer, gate, raw, waiting

HOUR = timedelta(hours=1)


def trade(**keywords: Any) -> Asset[..., Approval[int]]:
    """Declare an asset whose value is held back."""

    @asset(version="1")
    def trade(raw: int) -> Approval[int]:
        return Approval(raw * 100, **keywords)

    return trade


def found(shop: Bench) -> Gate:
    approval = shop.toolbox.ledger.gates.get(gate(shop, "trade"))
    assert approval is not None
    return approval


def decide(shop: Bench, decision: str, **more: Any) -> Gate:
    approvals = shop.toolbox.ledger.approvals
    return approvals.decide("shop", found(shop).id, decision, "ada", **more)


# --- holding ------------------------------------------------------------------------


def test_a_value_is_held_back(bench: Make) -> None:
    """It is stored, and nobody reads it."""
    shop = waiting(bench, trade(message="It is large", timeout=HOUR), raw)
    held = found(shop)

    assert shop.version("trade") is None
    assert (held.kind, held.message, held.state) == (
        "approval",
        "It is large",
        "waiting",
    )
    kept = shop.toolbox.ledger.catalog.version("shop/trade", "-", held.held)
    assert kept is not None
    assert shop.toolbox.io["default"].load(stored_of(kept), int) == 1000
    assert shop.attempts("trade") == ["held"]


def test_what_reads_it_waits(bench: Make) -> None:
    """Nothing is made from a value that nobody has approved."""

    @asset
    def reader(trade: int) -> int:
        return trade

    shop = bench(reader, trade(), raw)
    shop.begin("reader")
    replies = shop.run("raw", "trade", "reader")

    assert [r.kind for r in replies] == ["produced", "held", "left"]


def test_another_run_is_told_who_waits(bench: Make) -> None:
    """A claim that waits for a decision is named to whoever meets it."""
    shop = waiting(bench, trade(), raw)
    shop.begin("trade", run="r2")
    shop.run("raw", run="r2")

    assert shop.run("trade", run="r2") == [Busy(owner="r1", gate=found(shop).id)]


def test_an_approval_is_told_of_with_its_id(bench: Make) -> None:
    """The event of what waits bears the id by which it is decided."""
    shop = waiting(bench, trade(message="It is large", timeout=HOUR), raw)
    [told] = [
        event
        for event in shop.toolbox.ledger.runs.events("r1")
        if isinstance(event, ApprovalRequested)
    ]

    assert told.approval == approval_id(found(shop))
    assert (told.message, told.timeout_millis) == ("It is large", 3_600_000)
    assert told.version == found(shop).held


def test_the_reply_says_what_it_waits_for(bench: Make) -> None:
    """People see in the run whether it waits for a person."""
    shop = bench(trade(), raw)
    shop.begin("trade")
    [_, reply] = shop.run("raw", "trade")

    assert isinstance(reply, Held)
    assert reply.waits_for == "a decision"


# --- deciding -----------------------------------------------------------------------


def test_an_approved_value_is_published(bench: Make) -> None:
    """What was held back is what readers see, and nothing is run or stored again."""
    shop = waiting(bench, trade(), raw)
    held = found(shop)
    decide(shop, "approve")

    assert shop.settle("trade").replies == [Produced(millis=-1)]
    assert shop.version_id("trade") == held.held
    assert shop.value("trade") == 1000
    assert shop.reads("trade") == {"raw": shop.version_id("raw")}
    assert shop.claims() == []
    assert shop.settle("trade").replies == [Produced(millis=-1)]
    assert shop.attempts("trade") == ["held", "committed"]


def test_newer_code_publishes_what_older_code_has_made(bench: Make) -> None:
    """A deploy in the middle of a wait does not keep a decision from its effect."""
    shop = waiting(bench, trade(), raw)
    decide(shop, "approve")

    @asset(version="2", name="trade")
    def newer(raw: int) -> Approval[int]:
        return Approval(raw)

    lacking, deployed = shop.other(raw), shop.other(newer, raw)
    deployed.dispatches = shop.dispatches + 1
    assert [r.kind for r in lacking.settle("trade").replies] == ["not_here"]
    assert deployed.settle("trade").replies == [Produced(millis=-1)]
    assert shop.value("trade") == 1000


def test_an_edited_value_is_published_in_its_place(bench: Make) -> None:
    """The original is what the edited value was made from."""
    shop = waiting(bench, trade(), raw)
    held = found(shop)
    decide(shop, "approve", edits=write_edits(7, int))
    shop.settle("trade")

    assert shop.value("trade") == 7
    assert shop.reads("trade") == {
        "raw": shop.version_id("raw"),
        "(original)": held.held,
    }
    assert shop.version_id("trade") != held.held


def test_edits_that_the_worker_cannot_read_are_a_failure(bench: Make) -> None:
    """A client of other code may have let pass what the asset's type does not."""
    shop = waiting(bench, trade(), raw)
    decide(shop, "approve", edits=write_edits("seven", str))
    replies = shop.settle("trade").replies

    assert replies == [Raised(retryable=False)]
    assert shop.error("trade", replies).error_type == "CodecError"


def test_bytes_may_be_edited(bench: Make) -> None:
    """Edits are of any type that can be stored."""

    @asset(version="1")
    def trade() -> Approval[bytes]:
        return Approval(b"\x00draft")

    shop = waiting(bench, trade)
    decide(shop, "approve", edits=write_edits(b"\x00final", bytes))
    shop.settle("trade")

    assert shop.value("trade") == b"\x00final"


def test_a_rejected_asset_has_failed(bench: Make) -> None:
    """It is not tried again, and says who and why."""
    shop = waiting(bench, trade(), raw)
    decide(shop, "reject", comment="too large")

    assert shop.settle("trade").replies == [Raised(retryable=False)]
    [(written,)] = shop.ask("SELECT error FROM flowstone_run_nodes WHERE node = 1")
    error = error_of(str(written))
    assert isinstance(error, ApprovalRejected)
    assert error.reason == "too large"
    assert "was rejected by ada: too large." in error.message
    assert shop.version("trade") is None


def test_the_second_decision_learns_the_first(bench: Make) -> None:
    """One decision wins, whatever the flow has seen of it."""
    shop = waiting(bench, trade(), raw)
    decide(shop, "approve")

    with pytest.raises(AlreadyDecided, match="approved by ada"):
        decide(shop, "reject")
    shop.settle("trade")
    with pytest.raises(AlreadyDecided, match="approved by ada"):
        decide(shop, "approve")


def test_nobody_decides_by_a_token(bench: Make) -> None:
    """A token is anybody's: it answers signals, and approves nothing."""
    shop = waiting(bench, trade(), raw)

    with pytest.raises(BadToken):
        answer(shop, "trade", "5")
    [reply] = shop.settle("trade").replies
    assert isinstance(reply, Held)


def test_an_early_answer_decides_nothing(bench: Make) -> None:
    """What came by a token before the value was there is not taken for a decision."""
    shop = bench(trade(), raw)
    shop.begin("trade")
    answer(shop, "trade", "5")
    [_, opened] = shop.run("raw", "trade")
    [reply] = shop.settle("trade").replies

    assert isinstance(opened, Held)
    assert not opened.answered
    assert isinstance(reply, Held)


# --- recomputing --------------------------------------------------------------------


def moved(shop: Bench) -> str:
    """Have another run make what the value was made from, and give its version."""
    shop.begin("raw", run="r2", policy="always")
    shop.run("raw", run="r2")
    return shop.version_id("raw")


def test_a_decision_on_what_has_been_replaced_is_refused(bench: Make) -> None:
    """Where an input has moved on, neither a yes nor a no is taken."""
    shop = waiting(bench, trade(), raw)
    moved(shop)

    for decision in ("approve", "reject"):
        with pytest.raises(OutOfDate, match="'raw'"):
            decide(shop, decision)
    assert found(shop).state == "waiting"


def test_a_value_may_be_made_again(bench: Make) -> None:
    """The function is asked in the same run, with its inputs as they are now."""
    shop = waiting(bench, trade(), raw)
    old = found(shop)
    new = moved(shop)
    decide(shop, "recompute")
    assert shop.settle("trade").replies == [Left()]
    assert shop.settle("trade").replies == [Left()]
    assert shop.claims() == []
    [reply] = shop.run("trade")

    assert isinstance(reply, Held)
    again = found(shop)
    assert (again.rounds, again.state, again.winner) == (2, "waiting", "")
    assert again.held != old.held
    with pytest.raises(OutOfDate, match="was replaced"):
        shop.toolbox.ledger.approvals.get("shop", approval_id(old))
    decide(shop, "approve")
    shop.settle("trade")
    assert shop.reads("trade") == {"raw": new}


def test_an_input_that_was_taken_back_stays_as_it_is(bench: Make) -> None:
    """A run keeps its own version of what has no value any more."""
    shop = waiting(bench, trade(), raw)
    mine = shop.version_id("raw")
    shop.toolbox.ledger.catalog.invalidate("shop/raw", "-", cascade=False, actor="bob")
    with pytest.raises(OutOfDate):
        decide(shop, "approve")
    decide(shop, "recompute")
    shop.settle("trade")
    [reply] = shop.run("trade")

    assert isinstance(reply, Held)
    [[read]] = shop.toolbox.ledger.approvals.reads([found(shop)]).values()
    assert (read.version, read.current) == (mine, False)


# --- in time ------------------------------------------------------------------------


def test_reminders_come_before_the_deadline(bench: Make) -> None:
    """Each is an event, once; the wait goes on."""
    reminders = [HOUR / 2, HOUR / 4]
    shop = waiting(bench, trade(timeout=HOUR, remind=reminders), raw)
    opened = found(shop).opened_at
    dues = [found(shop).due]
    for _ in range(2):
        [reply] = shop.settle("trade", expired=True).replies
        assert isinstance(reply, Held)
        dues.append(reply.deadline)

    assert [round((d - opened) / HOUR, 3) for d in dues if d] == [0.25, 0.5, 1]
    told = shop.toolbox.ledger.runs.events("r1")
    assert len([e for e in told if isinstance(e, ApprovalReminded)]) == 2


def test_a_reminder_comes_once(bench: Make) -> None:
    """A step that is done twice for one instant reminds once."""
    shop = waiting(bench, trade(remind=[HOUR]), raw)
    due = found(shop).due_millis
    assert due is not None
    for _ in range(2):
        [reply] = shop.settle("trade", expired=True, instants=[due]).replies
        assert isinstance(reply, Held)
        assert reply.deadline is None

    told = shop.toolbox.ledger.runs.events("r1")
    assert len([e for e in told if isinstance(e, ApprovalReminded)]) == 1


@pytest.mark.parametrize(
    ("keywords", "kind"),
    [
        ({"timeout": HOUR}, "raised"),
        ({"timeout": HOUR, "on_timeout": "approve"}, "produced"),
    ],
)
def test_the_deadline_decides(keywords: dict[str, Any], kind: str, bench: Make) -> None:
    """Where nobody has, it approves or rejects, as was asked for."""
    shop = waiting(bench, trade(**keywords), raw)

    assert [r.kind for r in shop.settle("trade", expired=True).replies] == [kind]
    assert found(shop).state == "expired"
    with pytest.raises(AlreadyDecided, match="its deadline"):
        decide(shop, "approve")


def test_the_deadline_may_have_somebody_else_asked(bench: Make) -> None:
    """Once, with a new deadline of the same length; then it is rejected."""
    keywords = {"timeout": HOUR, "on_timeout": "escalate", "escalate_to": "boss"}
    shop = waiting(bench, trade(**keywords), raw)
    [reply] = shop.settle("trade", expired=True).replies
    opened = found(shop).opened_at

    assert isinstance(reply, Held)
    assert (reply.deadline, reply.waits_for) == (
        opened + 2 * HOUR,
        "a decision by boss",
    )
    assert found(shop).escalated_to == "boss"
    assert shop.settle("trade", expired=True).replies == [Raised(retryable=False)]


def test_somebody_else_may_be_asked_at_any_time(bench: Make) -> None:
    """The flow is rung for the new deadline; the old one does nothing any more."""
    shop = waiting(bench, trade(timeout=HOUR), raw)
    old = found(shop).due_millis
    assert old is not None
    shop.change("UPDATE flowstone_gates SET deadline = '2100-01-01 00:00:00.000000'")
    shop.toolbox.ledger.approvals.escalate("shop", found(shop).id, "boss", "ada")
    [reply] = shop.settle("trade", expired=True, instants=[old]).replies

    assert isinstance(reply, Held)
    assert found(shop).state == "waiting"
    assert reply.deadline == found(shop).deadline


def test_somebody_else_may_be_asked_without_a_deadline(bench: Make) -> None:
    """What waits for ever goes on doing so."""
    shop = waiting(bench, trade(), raw)
    approvals = shop.toolbox.ledger.approvals
    gate, told = approvals.escalate("shop", found(shop).id, "boss", "ada")

    assert (gate.deadline, told.outcome) == (None, "escalated")


# --- beside signals -----------------------------------------------------------------


def test_what_came_by_a_signal_may_need_a_decision(bench: Make) -> None:
    """A companion may hold back what it made of an answer."""

    @asset
    def trade() -> Signal[int]:
        return Signal(timeout=HOUR)

    @trade.on_signal
    def arrived(payload: int) -> Approval[int]:
        return Approval(payload, message="Is it right?")

    shop = waiting(bench, trade)
    answer(shop, "trade", "5")
    [reply] = shop.settle("trade").replies
    assert isinstance(reply, Held)
    assert arrived(1) == Approval(1, message="Is it right?")
    decide(shop, "approve")
    shop.settle("trade")

    assert shop.value("trade") == 5
