"""Gates: waits that are decided once, whoever comes early, late, twice or together."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial

import pytest

from flowstone.core.errors import AlreadyDecided, RunClosed
from flowstone.core.events import GateAnswered, GateCancelled, GateExpired
from flowstone.core.table import State
from flowstone.ledger.base import Commit
from flowstone.ledger.schema import claims
from tests.conformance.ledger_suite import APP, Book, at_once


def test_a_held_claim_waits_at_its_gate(book: Book) -> None:
    """A hold opens the gate, marks the claim, and settles the cell as waiting."""
    who, raw = book.run(), book.want("raw")
    book.hold(who, raw)

    gate = book.ledger.gates.get("g")
    [(_, _, state, version, reason, _)] = book.ledger.runs.nodes(who.run)

    assert gate is not None
    assert (gate.state, gate.run, gate.asset) == ("waiting", who.run, f"{APP}/raw")
    assert book.ledger.catalog.claim(f"{APP}/raw", "-") == (who.run, "g")
    assert (state, version, reason) == (State.WAITING, None, "g")
    assert book.claim(who._replace(dispatch=2), raw).held
    assert book.ledger.catalog.claim(f"{APP}/raw", "-") == (who.run, "g")


def test_a_held_claim_is_busy_for_those_who_take_what_is_there(book: Book) -> None:
    """Under missing another run waits for the gate; under always it makes its own."""
    who, taker, maker = book.run("one"), book.run("two"), book.run("three")
    book.hold(who, book.want("raw"))

    assert book.claim(taker, book.want("raw", missing=True)).busy == (who.run, "g")
    assert book.claim(maker, book.want("raw")).attempt is not None
    assert book.ledger.catalog.claim(f"{APP}/raw", "-") == (maker.run, "")


def test_whoever_settles_takes_the_claim_as_any_step_does(book: Book) -> None:
    """A settled gate is published under a claim, which is busy while others make."""
    who, maker = book.run("one"), book.run("two")
    raw = book.want("raw")
    book.hold(who, raw)
    settling = book.want("raw", gate="g")
    made = book.making(raw, book.claim(maker, raw))

    busy = book.claim(who._replace(dispatch=2), settling).busy
    book.commit(maker, Commit(making=[made], release=True))
    published = book.make(who._replace(dispatch=3), settling)

    assert busy == (maker.run, "")
    assert book.current_id("raw") == published
    assert book.count(claims) == 0


def test_what_an_answer_brings_was_made_from_what_was_read(book: Book) -> None:
    """The value of a gate has the inputs of the attempt that waited, and its own."""
    who, raw = book.run(), book.want("raw")
    held = replace(book.holding(raw, book.claim(who, raw)), reads=[("a", "v1")])
    book.commit(who, Commit(holding=[held], release=True))
    settling = book.want("raw", gate="g")

    book.make(who._replace(dispatch=2), settling, {"b": "v2", "a": "v1"})

    found = book.current("raw")
    assert found is not None
    members = "SELECT parameter, version FROM flowstone_input_members WHERE inputs = :i"
    assert book.ask(f"{members} ORDER BY place", i=found.inputs) == [
        ("a", "v1"),
        ("b", "v2"),
    ]


def test_an_answer_decides_once(book: Book) -> None:
    """The first answer wins; the same again is fine, another one is told who won."""
    book.hold(book.run(), book.want("raw"))
    gates = book.ledger.gates

    decided = gates.answer("g", "1", "ann")
    again = gates.answer("g", "1", "bob")
    with pytest.raises(AlreadyDecided, match="answered by ann"):
        gates.answer("g", "2", "bob")

    assert decided is not None
    assert again is not None
    assert (decided.state, decided.winner) == ("decided", "answered by ann")
    assert (again.state, again.payload) == ("decided", "1")
    assert [e.actor for e in book.ledger.catalog.audit(APP, subject="g")] == ["ann"]


def test_of_many_answers_at_once_one_wins(book: Book) -> None:
    """Sixteen who answer differently at the same moment: one wins, all others know."""
    book.hold(book.run(), book.want("raw"))

    def answer(number: int) -> str | None:
        try:
            book.ledger.gates.answer("g", str(number), "")
        except AlreadyDecided:
            return None
        return str(number)

    won = [w for w in at_once(partial(answer, n) for n in range(16)) if w]

    gate = book.ledger.gates.get("g")
    assert gate is not None
    assert [gate.payload] == won


def test_an_answer_after_the_deadline_is_late(book: Book) -> None:
    """The database's clock judges answers; expiry is the flow's to say."""
    who, raw = book.run(), book.want("raw")
    held = book.holding(raw, book.claim(who, raw), seconds=0.0)
    book.commit(who, Commit(holding=[held], release=True))
    time.sleep(0.01)
    gates = book.ledger.gates

    with pytest.raises(AlreadyDecided, match="its deadline has passed"):
        gates.answer("g", "1", "")
    asked = gates.settle(["g"], expired=False).gates["g"]
    expired = gates.settle(["g"], expired=True).gates["g"]
    with pytest.raises(AlreadyDecided, match="its deadline"):
        gates.answer("g", "1", "")

    assert (asked.state, expired.state) == ("waiting", "expired")


def test_a_gate_expires_without_a_look_at_the_clock(book: Book) -> None:
    """What the flow's timer says is so, whatever the database's clock says."""
    who, raw = book.run(), book.want("raw")
    held = book.holding(raw, book.claim(who, raw), seconds=3600.0)
    book.commit(who, Commit(holding=[held], release=True))

    found = book.ledger.gates.settle(["g"], expired=True).gates["g"]

    assert (found.state, found.winner) == ("expired", "its deadline")
    assert [e.action for e in book.ledger.catalog.audit(APP, subject="g")] == [
        "gate.expired"
    ]


def test_an_expired_gate_may_be_opened_again(book: Book) -> None:
    """A gate that waits on after its deadline takes an answer as a new one does."""
    who, raw = book.run(), book.want("raw")
    book.hold(who, raw)
    book.ledger.gates.settle(["g"], expired=True)
    book.hold(who._replace(dispatch=2), book.want("raw", gate="g"))

    opened = book.ledger.gates.get("g")
    decided = book.ledger.gates.answer("g", "1", "")

    assert opened is not None
    assert decided is not None
    assert (opened.state, opened.winner, opened.payload) == ("waiting", "", None)
    assert decided.state == "decided"


def test_an_early_answer_is_kept(book: Book) -> None:
    """An answer that comes before its gate is there when it opens; the first counts."""
    gates = book.ledger.gates
    assert gates.answer("g", "1", "ann") is None
    assert gates.answer("g", "1", "bob") is None
    with pytest.raises(AlreadyDecided, match="an earlier answer"):
        gates.answer("g", "2", "bob")
    book.hold(book.run(), book.want("raw"))

    assert gates.has_answer("g")
    settled = gates.settle(["g"], expired=True).gates["g"]

    assert (settled.state, settled.payload) == ("decided", "1")
    assert settled.winner == "answered by ann"


def test_no_answer_falls_between_early_and_open(book: Book) -> None:
    """An answer at the moment in which its gate opens is seen, or rings its bell."""
    gates = book.ledger.gates
    for turn in range(30):
        name, who = f"g{turn}", book.run(f"w{turn}")
        raw = book.want("raw", str(turn))
        held = book.holding(raw, book.claim(who, raw), name)
        at_once(
            [
                partial(book.commit, who, Commit(holding=[held], release=True)),
                partial(gates.answer, name, "1", ""),
            ]
        )
        gate = gates.get(name)
        assert gate is not None
        assert gates.has_answer(name) or gate.state == "decided"


def test_a_gate_whose_run_has_ended_is_closed(book: Book) -> None:
    """Nobody waits any more: the gate is abandoned, and its answerer is told."""
    who = book.run()
    book.hold(who, book.want("raw"))
    book.end(who)

    found = book.ledger.gates.get("g")

    assert found is not None
    assert found.state == "abandoned"
    with pytest.raises(RunClosed):
        book.ledger.gates.answer("g", "1", "")
    assert book.ledger.gates.waiting(APP) == []


def test_an_answer_that_nobody_has_seen_ends_with_its_run(book: Book) -> None:
    """A decision that its run did not live to see is closed; one it saw stands."""
    who, raw, side = book.run(), book.want("raw"), book.want("side")
    book.hold(who, raw, "unseen")
    book.hold(who._replace(dispatch=2), side, "seen")
    gates = book.ledger.gates
    for name in ("unseen", "seen"):
        gates.answer(name, "1", "")
    gates.settle(["seen"], expired=False)
    book.end(who)

    with pytest.raises(RunClosed):
        gates.answer("unseen", "1", "")
    assert gates.answer("seen", "1", "") is not None


def test_the_oldest_gates_come_first(book: Book) -> None:
    """People see what waits in the order in which it began to."""
    who = book.run()
    for number in range(3):
        dispatch = who._replace(dispatch=number + 1)
        book.hold(dispatch, book.want(f"a{number}"), f"g{number}")

    assert [g.id for g in book.ledger.gates.waiting(APP)] == ["g0", "g1", "g2"]
    assert book.ledger.gates.waiting("another") == []
    assert book.ledger.gates.get("nothing") is None
    assert book.ledger.gates.settle(["nothing"], expired=True).gates == {}


def test_how_a_gate_was_decided_is_recorded_once(book: Book) -> None:
    """Its flow records an answer or a deadline when it sees it, and never again."""
    who, gates = book.run(), book.ledger.gates
    for number, name in enumerate(("answered", "expired", "left")):
        book.hold(who._replace(dispatch=number + 1), book.want(name), name)
    gates.answer("answered", "1", "anna")
    asked = gates.settle(["answered"], expired=False)
    late = gates.settle(["expired"], expired=True)
    again = gates.settle(["answered", "expired"], expired=True)
    book.end(who)

    [answered], [expired] = asked.news, late.news
    assert isinstance(answered, GateAnswered)
    assert (answered.asset, answered.outcome) == ("answered", "answered")
    assert answered.winner == "answered by anna"
    assert answered.waited_millis is not None
    assert (type(expired), expired.outcome) == (GateExpired, "expired")
    assert again.news == []
    told = [e for e in book.ledger.runs.events(who.run) if "gate" in e.data]
    assert told[:2] == [answered, expired]
    assert [(type(e), e.data["gate"]) for e in told[2:]] == [(GateCancelled, "left")]
