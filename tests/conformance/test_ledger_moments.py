"""Transactions that meet in a moment that chance would rarely find."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TypeVar

import pytest

from flowstone import SqlLedger
from flowstone.core.errors import AlreadyRunning
from flowstone.ledger.base import Commit
from tests.conformance.ledger_suite import APP, Book
from tests.conformance.lossy import Wire, wired

pytestmark = pytest.mark.service
T = TypeVar("T")


@dataclass
class Two:
    """Two clients of one ledger; what the slow one commits can be held on its wire."""

    slow: Book
    fast: Book
    wire: Wire
    pool: ThreadPoolExecutor

    @contextmanager
    def halfway(self, work: Callable[[SqlLedger], T]) -> Generator[Future[T]]:
        """Be in the moment in which the slow one has done its work, but for COMMIT."""
        self.wire.cut("time")
        doing = self.pool.submit(work, self.slow.ledger)
        assert self.wire.held.wait(20)
        try:
            yield doing
        finally:
            self.wire.go.set()

    def waits(self, work: Callable[[], object]) -> Future[object]:
        """Do what has to wait for the slow one."""
        waiting = self.pool.submit(work)
        with pytest.raises(TimeoutError):
            waiting.result(0.5)
        return waiting


@pytest.fixture
def two(postgres_url: str) -> Iterator[Two]:
    with (
        wired(postgres_url) as (wire, url),
        closing(SqlLedger(postgres_url)) as fast,
        closing(SqlLedger(url)) as slow,
        ThreadPoolExecutor(2) as pool,
    ):
        fast.upgrade()
        slow.check()  # it is connected before any commit is held
        yield Two(Book(slow), Book(fast), wire, pool)


def test_a_gate_that_opens_waits_for_an_answer_under_way(two: Two) -> None:
    """An answer that found no gate is there for whoever opens it meanwhile."""
    book = two.fast
    who, raw = book.run(), book.want("raw")
    held = book.holding(raw, book.claim(who, raw))

    with two.halfway(lambda ledger: ledger.gates.answer("g", "1", "")) as answering:
        opening = two.waits(
            lambda: book.commit(who, Commit(holding=[held], release=True))
        )
    opening.result(20)

    assert answering.result(20) is None
    assert book.ledger.gates.has_answer("g")


def test_an_answer_waits_for_a_gate_that_opens(two: Two) -> None:
    """An answer that comes while its gate opens decides it, and rings."""
    book = two.fast
    who, raw = book.run(), book.want("raw")
    held = book.holding(raw, book.claim(who, raw))
    commit = Commit(holding=[held], release=True)

    with two.halfway(lambda ledger: ledger.packs.commit(who, APP, commit)):
        answering = two.waits(lambda: book.ledger.gates.answer("g", "1", ""))
    answering.result(20)

    gate = book.ledger.gates.get("g")
    assert gate is not None
    assert gate.state == "decided"
    assert book.ask("SELECT gate FROM flowstone_outbox") == [("g",)]


def test_a_second_attempt_waits_for_a_late_commit_of_the_first(two: Two) -> None:
    """What a thawed worker is committing is found made, and not made again."""
    book = two.fast
    who, raw = book.run(), book.want("raw")
    made = book.making(raw, book.claim(who, raw))
    commit = Commit(making=[made], release=True)

    with two.halfway(lambda ledger: ledger.packs.commit(who, APP, commit)):
        opening = two.waits(lambda: book.claim(who._replace(attempt=2), raw).made)

    assert opening.result(20) is True
    assert book.current_id("raw") == made.attempt.id


def test_another_run_takes_what_is_being_committed(two: Two) -> None:
    """Under missing, a run that waited for a claim reads the value that came of it."""
    book = two.fast
    who, raw = book.run("one"), book.want("raw")
    made = book.making(raw, book.claim(who, raw))
    other, taken = book.run("two"), book.want("raw", missing=True)
    commit = Commit(making=[made], release=True)

    with two.halfway(lambda ledger: ledger.packs.commit(who, APP, commit)):
        opening = two.waits(lambda: book.claim(other, taken).reused)

    found = opening.result(20)
    assert found is not None
    assert found == book.current("raw")


def test_a_waiter_is_not_missed_by_whoever_frees(two: Two) -> None:
    """A run that is told `busy` while the claim is given back is rung for it."""
    book = two.fast
    one, other, raw = book.run("one"), book.run("two"), book.want("raw")
    book.claim(one, raw)

    with two.halfway(lambda ledger: ledger.packs.open(other, APP, [raw], rerun=False)):
        freeing = two.waits(lambda: book.commit(one, Commit(release=True)))
    freeing.result(20)

    assert [b.run for b in book.ledger.outbox.due(APP)] == [other.run]


def test_a_run_that_ends_waits_for_what_is_opening(two: Two) -> None:
    """What a step has claimed while its run was being ended is free afterwards."""
    book = two.fast
    who, raw = book.run(), book.want("raw")

    with two.halfway(lambda ledger: ledger.packs.open(who, APP, [raw], rerun=False)):
        ending = two.waits(lambda: book.end(who))

    assert ending.result(20) is True
    assert book.ask("SELECT count(*) FROM flowstone_claims") == [(0,)]
    assert book.states(who) == ["lost"]


def test_a_value_is_not_taken_away_while_it_is_being_claimed(two: Two) -> None:
    """Whoever takes a value away waits for claims under way, and is told of them."""
    book = two.fast
    book.make(book.run("one"), book.want("raw"))
    who, raw = book.run("two"), book.want("raw")

    with two.halfway(lambda ledger: ledger.packs.open(who, APP, [raw], rerun=False)):
        taking = two.waits(
            lambda: book.ledger.catalog.invalidate(
                f"{APP}/raw", "-", cascade=False, actor=""
            )
        )

    with pytest.raises(AlreadyRunning):
        taking.result(20)


def test_what_is_made_after_a_value_was_taken_away_is_seen(two: Two) -> None:
    """A claim that waited while a value was taken away makes one that readers see."""
    book = two.fast
    book.make(book.run("one"), book.want("raw"))
    who, raw = book.run("two"), book.want("raw")

    def invalidate(ledger: SqlLedger) -> object:
        return ledger.catalog.invalidate(f"{APP}/raw", "-", cascade=False, actor="")

    with two.halfway(invalidate):
        making = two.waits(lambda: book.make(who, raw))

    made = making.result(20)
    assert book.current_id("raw") == made


def test_a_key_waits_for_the_run_that_is_getting_it(two: Two) -> None:
    """Of two runs that begin under one key, the second one finds the first."""
    book = two.fast
    row = book.row(user_key="mine")

    with two.halfway(lambda ledger: ledger.runs.begin(row)):
        beginning = two.waits(
            lambda: book.ledger.runs.begin(book.row(user_key="mine")).id
        )

    assert beginning.result(20) == row.id
