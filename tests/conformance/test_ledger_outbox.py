"""The relay: bells that ring until they are heard, runs that are swept when dead."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest

from flowstone.ledger.base import Commit, Dispatch
from flowstone.ledger.outbox import Bell
from flowstone.ledger.schema import attempts, outbox, runs
from tests.conformance.ledger_suite import APP, Book, at_once

MINUTE = timedelta(minutes=1)


def later(book: Book, seconds: float) -> None:
    """Let time pass, as far as bells are concerned."""
    book.age(outbox.c.due_at, seconds)


def answered(book: Book, workflow: str = "w", gate: str = "g") -> Dispatch:
    """Have a run wait, and its gate be answered."""
    who = book.run(workflow)
    book.hold(who, book.want(f"raw-{gate}"), gate)
    book.ledger.gates.answer(gate, "1", "")
    return who


def test_a_bell_waits_for_whoever_answered(book: Book) -> None:
    """Who answers rings; the relay rings a second later, if nobody has heard it."""
    who = answered(book)

    at_first = book.ledger.outbox.due(APP)
    later(book, 1.1)
    found = book.ledger.outbox.due(APP)

    assert at_first == []
    assert [(b.workflow, b.run, b.gate) for b in found] == [("w", who.run, "g")]


def test_a_bell_is_put_off_ever_longer(book: Book) -> None:
    """A gate's bell rings again after 5 and 30 seconds, then every five minutes."""
    answered(book)
    tries: list[int] = []
    for wait in (1, 5, 30, 300, 300):
        later(book, wait - 0.5)
        assert book.ledger.outbox.due(APP) == []
        later(book, 1)
        tries += [b.tries for b in book.ledger.outbox.due(APP)]
        assert book.ledger.outbox.due(APP) == []

    assert tries == [0, 1, 2, 3, 4]


def test_a_bell_is_silent_once_its_gate_was_seen(book: Book) -> None:
    """When the flow has asked how its gate stands, nobody rings for it any more."""
    answered(book)

    book.ledger.gates.settle(["g"], expired=False)

    assert book.count(outbox) == 0


def test_runs_are_woken_one_after_the_other_and_once(book: Book) -> None:
    """However many workers want them woken, each has one bell, at its own time."""
    whom = [(f"w{n}", book.run(f"w{n}").run) for n in range(3)]
    outbox_of = book.ledger.outbox

    first = outbox_of.wake(APP, whom[:2], spacing=MINUTE)
    again = outbox_of.wake(APP, whom, spacing=MINUTE)

    assert (first, again) == (2, 1)
    at_once_due = outbox_of.due(APP)
    later(book, 61)
    assert [b.workflow for b in at_once_due] == ["w0", "w2"]
    assert [(b.workflow, b.gate) for b in outbox_of.due(APP)] == [("w1", "")]


def test_two_relays_ring_each_bell_once(book: Book) -> None:
    """Workers that look at the same moment share the bells that are due."""
    one = book.run("one")
    wants = [book.want(f"a{n}", number=n) for n in range(40)]
    book.open(one, wants)
    for number in range(40):
        book.open(book.run(f"w{number:02}"), [wants[number]])
    book.commit(one, Commit(release=True))

    def ring() -> list[Bell]:
        return [b for _ in range(40) for b in book.ledger.outbox.due(APP, limit=3)]

    rung = [b.workflow for found in at_once([ring] * 4) for b in found]

    assert sorted(rung) == [f"w{number:02}" for number in range(40)]


def test_bells_of_another_app_are_left_to_it(book: Book) -> None:
    """Two apps on one ledger ring their own bells."""
    answered(book)
    later(book, 2)

    assert book.ledger.outbox.due("another") == []
    assert len(book.ledger.outbox.due(APP)) == 1


def test_the_bells_of_an_ended_run_are_silent(book: Book) -> None:
    """What rang for a run that has ended rings no more."""
    who = answered(book)
    book.end(who)

    assert book.count(outbox) == 0


# --- sweeping -----------------------------------------------------------------------


def swept(book: Book) -> list[str]:
    return [run.id for run in book.ledger.outbox.stuck(APP, MINUTE)]


@pytest.mark.parametrize("holds", ["a claim", "a gate", "nothing"])
def test_a_run_without_progress_is_looked_after(book: Book, holds: str) -> None:
    """A live run that did nothing for a minute is swept, whatever it holds."""
    who, raw = book.run(), book.want("raw")
    if holds == "a claim":
        book.claim(who, raw)
    if holds == "a gate":
        book.hold(who, raw)
    fresh = swept(book)
    for column in (runs.c.started_at, attempts.c.started_at, attempts.c.ended_at):
        book.age(column, 61, who.run)

    assert fresh == []
    assert swept(book) == [who.run]


def test_a_run_that_goes_on_is_left_alone(book: Book) -> None:
    """A run that began an attempt within the minute is not asked whether it lives."""
    who = book.run()
    book.age(runs.c.started_at, 3600, who.run)
    book.claim(who, book.want("raw"))

    assert swept(book) == []


def test_a_run_that_never_started_is_started_after_half_a_minute(book: Book) -> None:
    """Between its row and its start a client may die; somebody else starts the run."""
    row = book.row()
    book.ledger.runs.begin(row)
    fresh = swept(book)
    book.age(runs.c.created_at, 31, row.id)

    assert fresh == []
    assert swept(book) == [row.id]


def test_a_run_is_swept_by_one_worker_a_minute(book: Book) -> None:
    """Workers that sweep at once share the runs; none is taken twice in a minute."""
    begun = [book.run(f"w{n}") for n in range(12)]
    for who in begun:
        book.age(runs.c.started_at, 61, who.run)

    taken = at_once([partial(swept, book)] * 4)
    again = swept(book)
    book.age(runs.c.swept_at, 61, begun[0].run)

    assert sorted(r for found in taken for r in found) == sorted(w.run for w in begun)
    assert again == []
    assert swept(book) == [begun[0].run]


def test_runs_that_others_wait_for_are_swept_first(book: Book) -> None:
    """Where more runs are stuck than one look takes, those with claims come first."""
    idle, holding = book.run("one"), book.run("two")
    book.claim(holding, book.want("raw"))
    for who in (idle, holding):
        book.age(runs.c.started_at, 61, who.run)
        book.age(attempts.c.started_at, 61, who.run)

    first = book.ledger.outbox.stuck(APP, MINUTE, limit=1)

    assert [run.id for run in first] == [holding.run]


def test_ended_runs_are_not_swept(book: Book) -> None:
    """What has ended is neither live nor stuck."""
    who = book.run()
    book.age(runs.c.started_at, 61, who.run)
    alive = [run.id for run in book.ledger.outbox.live(APP)]
    book.end(who)

    assert alive == [who.run]
    assert book.ledger.outbox.live(APP) == []
    assert swept(book) == []
