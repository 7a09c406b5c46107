"""Fences: late work, of a worker that was frozen or thought lost, changes nothing."""

from __future__ import annotations

from flowstone.ledger.base import Commit
from flowstone.ledger.schema import claims, versions
from tests.conformance.ledger_suite import Book


def test_fences_only_grow(book: Book) -> None:
    """Whoever takes a claim has a greater fence than all that had it before."""
    who, raw = book.run(), book.want("raw")
    fences: list[int] = []
    for attempt in range(1, 6):
        found = book.claim(who._replace(attempt=attempt), raw).attempt
        assert found is not None
        fences.append(found.fence)

    assert fences == sorted(set(fences))
    assert book.ask("SELECT fence FROM flowstone_claims") == [(fences[-1],)]


def test_a_late_commit_is_superseded_and_the_newer_pointer_stands(book: Book) -> None:
    """A frozen worker that is thawed commits nothing over another run's value."""
    frozen, other, raw = book.run("one"), book.run("two"), book.want("raw")
    late = book.making(raw, book.claim(frozen, raw))
    book.end(frozen)
    newer = book.make(other, raw)

    assert book.commit(frozen, Commit(making=[late], release=True)) == ["superseded"]
    assert book.current_id("raw") == newer
    assert book.count(versions) == 1
    assert book.states(frozen) == ["discarded"]


def test_the_first_commit_of_a_run_wins(book: Book) -> None:
    """An attempt that its successor has overtaken gets the run's version, not its own."""
    who, raw = book.run(), book.want("raw")
    late = book.making(raw, book.claim(who, raw))
    kept = book.make(who._replace(attempt=2), raw)

    assert book.commit(who, Commit(making=[late], release=True)) == ["made"]
    assert book.claim(who._replace(attempt=3), raw).made
    assert book.current_id("raw") == kept
    assert book.states(who) == ["discarded", "committed"]


def test_what_was_made_from_a_lost_value_is_left(book: Book) -> None:
    """Later members of a group that read one that was superseded are not committed."""
    who = book.run()
    raw, side = book.want("raw"), book.want("side")
    clean, report = book.want("clean", reads=["raw"]), book.want("report")
    wants = [raw, side, clean, report]
    opened = book.open(who, wants).cells
    ids = [c.attempt.id for c in opened if c.attempt is not None]
    kept = book.make(who._replace(dispatch=2), raw)
    group = [
        book.making(raw, opened[0]),
        book.making(side, opened[1]),
        book.making(clean, opened[2], {"raw": ids[0]}),
        book.making(report, opened[3], {"clean": ids[2], "side": ids[1]}),
    ]

    verdicts = book.commit(who, Commit(making=group, release=True))

    assert verdicts == ["made", "committed", "left", "left"]
    assert book.current_id("raw") == kept
    assert book.current("clean") is None
    ended = ["discarded", "committed", "discarded", "discarded", "committed"]
    assert book.states(who) == ended


def test_a_worker_frozen_before_it_opened_is_fenced_too(book: Book) -> None:
    """An attempt that opens after its successor has been at the cell makes nothing."""
    frozen, raw = book.run(), book.want("raw")
    second = frozen._replace(attempt=2)
    failed = book.ending(raw, book.claim(second, raw), "skipped")
    book.commit(second, Commit(ending=[failed], release=True))

    assert book.claim(frozen, raw).superseded
    assert book.states(frozen) == ["skipped"]


def test_a_pack_frozen_before_it_opened_is_fenced_by_a_rerun(book: Book) -> None:
    """The second attempt of a pack runs nothing, and fences the first all the same."""
    frozen = book.run()
    wants = [book.want("raw"), book.want("clean")]
    second = frozen._replace(attempt=2)

    rerun = book.open(second, wants, rerun=True).cells
    thawed = book.open(frozen, wants).cells
    book.commit(frozen, Commit(release=True))

    assert not any(c.settled or c.attempt for c in rerun)
    assert all(c.superseded for c in thawed)
    assert book.count(claims) == 0


def test_a_late_end_says_nothing_of_what_came_after(book: Book) -> None:
    """A thawed worker whose function raises does not overwrite how its cell ended."""
    frozen, raw = book.run(), book.want("raw")
    late = book.ending(raw, book.claim(frozen, raw), "failed")
    second = frozen._replace(attempt=2)
    skipped = book.ending(raw, book.claim(second, raw), "skipped")
    book.commit(second, Commit(ending=[skipped], release=True))
    settled = book.ledger.runs.nodes(frozen.run)

    assert book.commit(frozen, Commit(ending=[late], release=True)) == ["superseded"]
    assert book.ledger.runs.nodes(frozen.run) == settled
    assert book.states(frozen) == ["discarded", "skipped"]


def test_a_late_hold_opens_no_gate(book: Book) -> None:
    """A thawed worker whose function wants to wait does not hold what others make."""
    frozen, raw = book.run(), book.want("raw")
    late = book.holding(raw, book.claim(frozen, raw))
    kept = book.make(frozen._replace(attempt=2), raw)

    assert book.commit(frozen, Commit(holding=[late], release=True)) == ["made"]
    assert book.ledger.gates.get("g") is None
    assert book.current_id("raw") == kept


def test_a_rerun_frees_and_answers(book: Book) -> None:
    """A pack whose worker was lost tells what is made, and lets go of the rest."""
    who = book.run()
    raw, clean = book.want("raw"), book.want("clean")
    opened = book.open(who, [raw, clean]).cells
    book.commit(who, Commit(making=[book.making(raw, opened[0])]))

    again = book.open(who._replace(attempt=2), [raw, clean], rerun=True).cells

    assert [c.made for c in again] == [True, False]
    assert book.count(claims) == 0
    assert book.states(who) == ["committed", "lost", "left"]


def test_lost_workers_are_counted_for_a_cell_that_was_alone(book: Book) -> None:
    """Attempts that a worker took down with it count, those the world broke do not."""
    who, raw = book.run(), book.want("raw")
    lost = [book.claim(who._replace(attempt=n), raw).lost for n in range(1, 5)]
    book.ledger.packs.drop(who._replace(attempt=4), "shop")
    lost.append(book.claim(who._replace(attempt=5), raw).lost)

    assert lost == [0, 1, 2, 3, 3]
    assert book.states(who) == ["lost", "lost", "lost", "broken", "open"]


def test_lost_workers_are_counted_in_a_row(book: Book) -> None:
    """A cell that is asked again and again loses a worker now and then, unharmed."""
    who, raw = book.run(), book.want("raw")
    for dispatch in range(1, 8):
        asked = who._replace(dispatch=dispatch)
        book.claim(asked, raw)
        second = asked._replace(attempt=2)
        found = book.claim(second, raw)
        snoozed = book.ending(raw, found, "snoozed")
        book.commit(second, Commit(ending=[snoozed], release=True))
        assert found.lost == 1


def test_a_pack_that_is_given_up_holds_nothing(book: Book) -> None:
    """What a store or a database has broken is free at once for others."""
    one, two, raw = book.run("one"), book.run("two"), book.want("raw")
    book.claim(one, raw)

    book.ledger.packs.drop(one, "shop")

    assert book.claim(two, raw).attempt is not None


def test_a_fence_that_was_overtaken_while_it_waited_is_drawn_again(book: Book) -> None:
    """A value that is taken away after a fence was drawn does not hide the new one."""
    raw = book.want("raw")
    book.make(book.run("one"), raw)
    book.tell("UPDATE flowstone_pointers SET fence = fence + 1")

    made = book.make(book.run("two"), raw)

    assert book.current_id("raw") == made


def test_fences_go_on_above_all_that_were_seen(book: Book) -> None:
    """After a failover that lost the sequence, new values are the newer ones."""
    raw, clean = book.want("raw"), book.want("clean")
    for turn in range(3):
        book.make(book.run(f"w{turn}"), raw)
    held = book.run("held")
    book.claim(held, clean)
    if book.ledger.in_process:
        book.tell("UPDATE flowstone_fences SET value = 0")
    else:
        book.tell("ALTER SEQUENCE flowstone_fences RESTART")

    made = book.make(book.run("later"), raw)
    second = held._replace(attempt=2)
    taken = [book.claim(second, clean).attempt is not None for _ in range(2)]

    assert book.current_id("raw") == made
    assert True in taken
