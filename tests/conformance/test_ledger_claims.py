"""Claims: who may make a value now, and who is told when that changes."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial

import pytest

from flowstone.ledger.base import Commit, Dispatch, Wanted
from flowstone.ledger.schema import claims, waiters
from tests.conformance.ledger_suite import APP, Book, at_once


def test_two_runs_share_a_claim_and_one_of_them_has_it(book: Book) -> None:
    """A run that wants what another one is making is told who that is."""
    one, two, raw = book.run("one"), book.run("two"), book.want("raw")

    assert book.claim(one, raw).attempt is not None
    assert book.claim(two, raw).busy == (one.run, "")


def test_another_shard_of_a_run_is_as_busy_as_another_run(book: Book) -> None:
    """Two workflows of one run do not make the same cell at once."""
    shard, raw = book.run("shard/0"), book.want("raw")
    other = shard._replace(workflow="shard/1", dispatch=7)

    assert book.claim(shard, raw).attempt is not None
    assert book.claim(other, raw).busy == (shard.run, "")


def test_a_later_dispatch_takes_over_and_an_earlier_one_does_not(book: Book) -> None:
    """Within a workflow the greater dispatch, then the greater attempt, has the claim."""
    first, raw = book.run(), book.want("raw")
    again, second = first._replace(attempt=2), first._replace(dispatch=2)

    assert book.claim(first, raw).attempt is not None
    assert book.claim(again, raw).attempt is not None
    assert book.claim(second, raw).attempt is not None
    assert book.claim(first._replace(dispatch=0), raw).busy == (first.run, "")
    assert book.claim(second, raw).busy == (first.run, "")


def test_a_claim_never_outlives_its_dispatch(book: Book) -> None:
    """The commit that ends a pack lets go of all that it claimed."""
    who, raw, spare = book.run(), book.want("raw"), book.want("spare")
    opened = book.open(who, [raw, spare]).cells

    book.commit(who, Commit(making=[book.making(raw, opened[0])]))
    assert book.ask("SELECT asset FROM flowstone_claims") == [(f"{APP}/spare",)]
    book.commit(who, Commit(release=True))
    assert book.count(claims) == 0


def test_what_is_let_go_is_what_was_committed_and_nothing_between(book: Book) -> None:
    """A group of a pack over several keys frees its own cells alone."""
    who = book.run()
    wants = [
        book.want(name, key, number=number)
        for number, key in enumerate(["a", "b"])
        for name in ("raw", "clean")
    ]
    opened = book.open(who, wants).cells
    group = [book.making(wants[i], opened[i]) for i in (0, 3)]

    book.commit(who, Commit(making=group))

    left = book.ask("SELECT asset, key FROM flowstone_claims ORDER BY asset")
    assert left == [(f"{APP}/clean", "a"), (f"{APP}/raw", "b")]


def test_waiters_are_rung_once_when_the_claim_is_free(book: Book) -> None:
    """Who was told that a claim is busy is rung by the transaction that frees it."""
    one, two, three = book.run("one"), book.run("two"), book.run("three")
    raw, clean = book.want("raw"), book.want("clean")
    opened = book.open(one, [raw, clean]).cells
    book.open(two, [raw, clean])
    book.claim(three, raw)

    book.commit(one, Commit(making=[book.making(raw, opened[0])]))
    rung = book.ledger.outbox.due(APP)
    book.commit(one, Commit(release=True))
    later = book.ledger.outbox.due(APP)

    assert [(b.workflow, b.gate) for b in rung] == [("three", ""), ("two", "")]
    assert [(b.workflow, b.run) for b in later] == [("two", two.run)]
    assert book.count(waiters) == 0
    assert book.ledger.outbox.due(APP) == []


def test_a_waiter_of_a_later_run_is_not_forgotten_with_the_earlier(book: Book) -> None:
    """A workflow that is started anew waits for its own run, not for the last one's."""
    one, before, now = book.run("one"), book.run("two"), book.run("two")
    raw = book.want("raw")
    opened = book.claim(one, raw)
    book.claim(before, raw)
    book.claim(now, raw)

    book.end(before)
    book.commit(one, Commit(making=[book.making(raw, opened)], release=True))

    assert [b.run for b in book.ledger.outbox.due(APP)] == [now.run]


def test_the_end_of_a_run_rings_those_that_waited_for_it(book: Book) -> None:
    """A run that is ended from outside leaves its claims to others."""
    one, two, raw = book.run("one"), book.run("two"), book.want("raw")
    book.claim(one, raw)
    book.claim(two, raw)

    assert book.end(one)

    assert [b.workflow for b in book.ledger.outbox.due(APP)] == ["two"]
    assert book.claim(two, raw).attempt is not None


@pytest.mark.timeout(180)
def test_runs_that_open_in_opposite_orders_never_fail(book: Book) -> None:
    """Two runs open 400 shared claims in opposite orders, 60 times, without an error."""
    wants = [book.want(f"a{n:03}", number=n) for n in range(400)]
    together = threading.Barrier(2)

    def work(who: Dispatch, asked: Sequence[Wanted]) -> int:
        had = 0
        for dispatch in range(1, 61):
            together.wait()
            now = who._replace(dispatch=dispatch)
            had += sum(1 for c in book.open(now, asked).cells if c.attempt)
            book.commit(now, Commit(release=True))
        return had

    had = at_once(
        [
            partial(work, book.run("one"), wants),
            partial(work, book.run("two"), wants[::-1]),
        ]
    )

    assert sum(had) >= 60 * 400
    assert book.count(claims) == 0
    assert book.deadlocks() == 0
