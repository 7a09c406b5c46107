"""Answers from outside: by the world's own ids, early ones, and the log of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from flowstone.core.errors import AlreadyDecided, RunClosed, UnknownDelivery
from flowstone.ledger.answering import Place
from flowstone.ledger.base import Commit, Dispatch
from flowstone.ledger.deliveries import Deliveries, Delivery
from flowstone.ledger.ids import new_id
from flowstone.ledger.inbox import answers, deliveries, handed, outside_answers
from flowstone.ledger.turn import Turn
from tests.conformance.ledger_suite import APP, Book, at_once

RAW = f"{APP}/raw"
MONTH = timedelta(days=30)


def hold(book: Book, who: Dispatch, gate: str = "g", outside: str = "task") -> None:
    """Have `raw` wait, at a key of its own for each gate."""
    want = book.want("raw", gate)
    held = replace(book.holding(want, book.claim(who, want), gate), outside=outside)
    assert book.commit(who, Commit(holding=[held], release=True)) == ["held"]


def delivery(gate: str = "g", *, pipeline: str = APP) -> Delivery:
    return Delivery(
        id=new_id(),
        pipeline=pipeline,
        gate=gate,
        source="1.2.3.4",
        outcome="answered",
        status=200,
        headers={"user-agent": "robot"},
        payload="1",
        digest="d",
        size=1,
    )


# --- by the world's own id ----------------------------------------------------------


def test_the_worlds_own_id_answers_its_gate(book: Book) -> None:
    """It is answered as by its token: once, and the same again is fine."""
    hold(book, book.run())
    gates = book.ledger.gates

    decided = gates.answer_outside(RAW, "task", "1", "ann")
    again = gates.answer_outside(RAW, "task", "1", "bob")
    with pytest.raises(AlreadyDecided, match="answered by ann"):
        gates.answer_outside(RAW, "task", "2", "bob")

    assert decided is not None
    assert again is not None
    assert (decided.id, decided.outside, decided.state) == ("g", "task", "decided")
    assert again.decided_at == decided.decided_at


def test_an_id_is_one_assets(book: Book) -> None:
    """Another asset's gate with the same id is another gate."""
    hold(book, book.run())

    assert book.ledger.gates.answer_outside(f"{APP}/side", "task", "1", "") is None
    assert [g.state for g in book.ledger.gates.waiting(APP)] == ["waiting"]


def test_an_id_is_taken_while_its_gate_waits(book: Book) -> None:
    """While one waits with it nobody else may; afterwards it may be used again."""
    gates = book.ledger.gates
    hold(book, book.run("one"))
    assert gates.is_taken(RAW, "task", "h")
    assert not gates.is_taken(RAW, "task", "g")
    assert not gates.is_taken(f"{APP}/side", "task", "h")
    gates.answer_outside(RAW, "task", "1", "")
    assert not gates.is_taken(RAW, "task", "h")
    hold(book, book.run("two"), "h")

    decided = gates.answer_outside(RAW, "task", "2", "")

    assert decided is not None
    assert (decided.id, decided.payload) == ("h", "2")


def test_an_answer_by_an_id_is_kept_for_its_gate(book: Book) -> None:
    """The first early answer counts, is delivered once, and is not left behind."""
    gates = book.ledger.gates
    assert gates.answer_outside(RAW, "task", "1", "ann") is None
    assert gates.answer_outside(RAW, "task", "1", "bob") is None
    with pytest.raises(AlreadyDecided, match="an earlier answer"):
        gates.answer_outside(RAW, "task", "2", "bob")
    hold(book, book.run())

    assert gates.has_answer("g")
    settled = gates.settle(["g"], expired=False).gates["g"]

    assert (settled.payload, settled.winner) == ("1", "answered by ann")
    assert book.count(outside_answers) == 0


def test_an_id_whose_run_has_ended_is_closed(book: Book) -> None:
    """Nobody waits with it any more, and its answerer is told."""
    who = book.run()
    hold(book, who)
    book.end(who)

    with pytest.raises(RunClosed):
        book.ledger.gates.answer_outside(RAW, "task", "1", "")


def test_no_answer_by_an_id_falls_between_early_and_open(book: Book) -> None:
    """An answer at the moment in which its gate opens is seen, or rings its bell."""
    gates = book.ledger.gates
    for turn in range(20):
        name, who = f"g{turn}", book.run(f"w{turn}")
        at_once(
            [
                partial(hold, book, who, name, name),
                partial(gates.answer_outside, RAW, name, "1", ""),
            ]
        )
        gate = gates.get(name)
        assert gate is not None
        assert gates.has_answer(name) or gate.state == "decided"

    assert book.count(outside_answers) == 0
    assert book.deadlocks() == 0


# --- early --------------------------------------------------------------------------


def test_an_answer_between_opening_and_looking_does_not_win_over_an_early_one(
    book: Book,
) -> None:
    """The early answer was told that it is kept: whoever comes later is told so."""
    gates = book.ledger.gates
    gates.answer("g", "1", "ann")
    hold(book, book.run())

    with pytest.raises(AlreadyDecided, match="an earlier answer"):
        gates.answer("g", "2", "bob")
    decided = gates.answer("g", "1", "bob")

    assert decided is not None
    assert (decided.payload, decided.winner) == ("1", "answered by ann")


def test_whose_gate_it_is_is_known_before_it_opens(book: Book) -> None:
    """From the moment its token is handed out, until its run has ended."""
    who, raw, gates = book.run(), book.want("raw"), book.ledger.gates
    assert gates.place("g") is None
    gates.hand_out(APP, "g", who, raw)
    gates.hand_out(APP, "g", who, raw)
    before = gates.place("g")
    book.hold(who, raw)
    after, left = gates.place("g"), book.count(handed)
    gates.answer("g", "1", "")
    decided = gates.place("g")

    assert before == after == Place(asset=RAW, key="-", run=who.run, open=True)
    assert left == 0
    assert decided is not None
    assert not decided.open


def test_an_early_answer_to_a_run_that_has_ended_is_closed(book: Book) -> None:
    """Nothing is kept for a gate that will not open any more."""
    who = book.run()
    book.ledger.gates.hand_out(APP, "g", who, book.want("raw"))
    book.end(who)

    with pytest.raises(RunClosed):
        book.ledger.gates.answer("g", "1", "")
    assert book.count(answers) == 0


# --- the log ------------------------------------------------------------------------


def test_deliveries_are_kept_newest_first(book: Book) -> None:
    """An app's deliveries are listed, of one gate or of all, and given by their id."""
    log = book.ledger.deliveries
    first, second, third = delivery(), delivery("h"), delivery(pipeline="other")
    kept = [log.record(one, MONTH) for one in (first, second, third)]

    assert log.list(APP) == [kept[1], kept[0]]
    assert log.list(APP, gate="g") == [kept[0]]
    assert log.list(APP, limit=1) == [kept[1]]
    assert log.get(APP, first.id) == kept[0]
    assert kept[0].at is not None
    with pytest.raises(UnknownDelivery, match=third.id):
        log.get(APP, third.id)


def test_a_delivery_is_written_once(book: Book) -> None:
    """To record it again, as its outcome was unknown, changes nothing."""
    one = delivery()
    book.ledger.deliveries.record(one, MONTH)
    book.ledger.deliveries.record(one, MONTH)

    assert book.count(deliveries) == 1


def test_a_delivery_is_written_with_what_it_did(book: Book) -> None:
    """An answer that takes effect and its delivery are one transaction."""
    hold(book, book.run())
    log, one = book.ledger.deliveries, delivery()
    told: list[str] = []

    def note(turn: object, outcome: str) -> None:
        told.append(outcome)
        raise RuntimeError(outcome)

    with pytest.raises(RuntimeError):
        book.ledger.gates.answer("g", "1", "", note)
    gate = book.ledger.gates.get("g")
    assert gate is not None
    assert gate.state == "waiting"
    book.ledger.gates.answer("g", "1", "", lambda t, o: _write(log, t, one))

    assert told == ["answered"]
    assert [d.id for d in log.list(APP)] == [one.id]


def _write(log: Deliveries, turn: Turn, one: Delivery) -> None:
    log.write(turn, one, MONTH)


def test_old_deliveries_are_dropped(book: Book) -> None:
    """Each one that comes lets those go that were kept for long enough."""
    log = book.ledger.deliveries
    log.record(delivery(), MONTH)
    log.record(delivery(pipeline="other"), MONTH)
    book.age(deliveries.c.at, MONTH.total_seconds() + 60)
    newest = log.record(delivery(), MONTH)

    assert log.list(APP) == [newest]
    assert len(log.list("other")) == 1


def test_a_delivery_that_nobody_heard_is_closed(book: Book) -> None:
    """Where its run turns out to be gone, its line says so."""
    log = book.ledger.deliveries
    one = log.record(delivery(), MONTH)
    log.close(one, "it has ended")
    found = log.get(APP, one.id)

    assert (found.outcome, found.status, found.reason) == (
        "closed",
        410,
        "it has ended",
    )


def test_whose_gate_it_is_is_known_while_it_opens(book: Book) -> None:
    """At no moment between handing out and deciding is it nobody's."""
    gates = book.ledger.gates
    for turn in range(20):
        name, who = f"g{turn}", book.run(f"w{turn}")
        gates.hand_out(APP, name, who, book.want("raw", name))
        _, *seen = at_once(
            [partial(hold, book, who, name, name)]
            + [partial(gates.place, name) for _ in range(4)]
        )
        assert all(seen)
