"""Commits: what becomes visible, together with all that is said of it, or not at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from flowstone.core.errors import AssetFailed
from flowstone.core.events import of_kind
from flowstone.core.table import State
from flowstone.ledger.base import Commit, Ending, Event, Wanted
from flowstone.ledger.schema import input_members, versions
from tests.conformance.ledger_suite import APP, Book, at_once


def event(want: Wanted, outcome: str = "produced") -> Event:
    name = want.asset.removeprefix(f"{APP}/")
    return Event(
        name="flowstone.materialization.stop",
        asset=name,
        key=want.key,
        run="r",
        outcome=outcome,
    )


def test_a_version_says_all_that_made_it(book: Book) -> None:
    """A committed value has its run, cell, code, inputs, place, size and facts."""
    who, raw = book.run(), book.want("raw")
    made = book.making(raw, book.claim(who, raw), {"source": "v0"}, millis=2**33)
    book.commit(who, Commit(making=[made], release=True))

    found = book.current("raw")

    assert found is not None
    assert (found.id, found.run) == (made.attempt.id, who.run)
    assert (found.node, found.key_number, found.item) == (*raw.cell, -1)
    assert (found.asset, found.key, found.code) == (f"{APP}/raw", "-", "c0de")
    assert (found.location, found.size) == (made.location, 2)
    assert (found.digest, found.data_version) == (made.digest, made.digest)
    assert (found.facts, found.metadata) == ({"codec": "json"}, {"rows": 1})
    assert found.millis == 2**33
    assert found.created_at.tzinfo is not None


def test_input_sets_are_shared(book: Book) -> None:
    """Values that were made from the same versions name one set of inputs."""
    who = book.run()
    ids = {f"i{n}": book.make(who, book.want(f"i{n}")) for n in range(20)}
    book.make(who, book.want("one"), ids)
    book.make(who, book.want("two"), ids)
    book.make(who, book.want("three"), {"i0": ids["i0"]})

    one, two, three = (book.current(n) for n in ("one", "two", "three"))

    assert one is not None
    assert two is not None
    assert three is not None
    assert one.inputs == two.inputs != three.inputs
    assert book.count(input_members) == 21


def test_a_run_reads_the_versions_that_it_made_or_took(book: Book) -> None:
    """Inputs are pinned in the run: what others make meanwhile is not read."""
    other, who = book.run("other"), book.run("who")
    raw, clean = book.want("raw"), book.want("clean", reads=["raw"])
    taken = book.want("raw", missing=True)
    kept = book.make(other, raw)
    version = book.claim(who, taken).reused
    assert version is not None
    book.commit(who, Commit(reusing=[(taken, version)], release=True))
    newer = book.make(book.run("third"), raw)

    opened = book.open(who._replace(dispatch=2), [clean])

    assert version.id == kept != newer == book.current_id("raw")
    [read] = opened.inputs.values()
    assert read is not None
    assert read.id == kept


def test_a_value_that_is_there_is_taken_but_made_where_it_is_always(book: Book) -> None:
    """A missing value is made; one that is there is taken, unless the policy says no."""
    book.make(book.run("one"), book.want("raw"))
    who = book.run("two")

    found = book.claim(who, book.want("raw", missing=True))
    anew = book.claim(book.run("three"), book.want("raw"))

    assert found.reused is not None
    assert found.reused.id == book.current_id("raw")
    assert anew.busy == (who.run, "")


def test_the_first_version_of_a_cell_stays(book: Book) -> None:
    """What a run made is not replaced by a version that it would have taken."""
    who, raw = book.run(), book.want("raw")
    before = book.make(book.run("before"), raw)
    version = book.current("raw")
    assert version is not None
    made = book.make(who, raw)
    book.commit(who, Commit(reusing=[(raw, version)], release=True))

    [(_, _, state, pinned, _, _)] = book.ledger.runs.nodes(who.run)

    assert (state, pinned) == (State.MADE, made)
    assert pinned != before


def test_how_cells_ended_is_written(book: Book) -> None:
    """A skip has its reason, a failure its error, a later success replaces both."""
    who = book.run()
    raw, side = book.want("raw"), book.want("side")
    error = AssetFailed(
        asset="raw", partition="-", run_id=who.run, error_type="E", error="no"
    )
    opened = book.open(who, [raw, side]).cells
    assert opened[0].attempt is not None
    assert opened[1].attempt is not None
    failed = Ending(wanted=raw, attempt=opened[0].attempt, state="failed", error=error)
    skipped = Ending(
        wanted=side, attempt=opened[1].attempt, state="skipped", reason="closed"
    )
    book.commit(who, Commit(ending=[failed, skipped], release=True))
    first = sorted(book.ledger.runs.nodes(who.run))
    made = book.make(who._replace(dispatch=2), raw)
    then = sorted(book.ledger.runs.nodes(who.run))

    assert [(n[2], n[4]) for n in first] == [
        (State.FAILED, ""),
        (State.BYPASSED, "closed"),
    ]
    assert "no" in str(first[0][5])
    assert (then[0][2], then[0][3]) == (State.MADE, made)
    last = book.ledger.catalog.last_attempt(f"{APP}/side", "-")
    assert last is not None
    assert (last.state, last.reason) == ("skipped", "closed")


def test_events_tell_what_took_effect(book: Book) -> None:
    """The end of what was refused is no event; that its function was called is one."""
    who, raw, side = book.run(), book.want("raw"), book.want("side")
    opened = book.open(who, [raw, side]).cells
    book.make(who._replace(dispatch=2), raw)
    group = [book.making(raw, opened[0]), book.making(side, opened[1])]
    news = [event(raw, ""), event(raw), event(side, ""), event(side)]

    book.commit(who, Commit(making=group, news=news))

    told = [(e.asset, e.outcome) for e in book.ledger.runs.events("r")]
    assert told == [("raw", ""), ("side", ""), ("side", "produced")]


def test_a_commit_may_end_its_run(book: Book) -> None:
    """The last commit of a run ends it in the same transaction."""
    who, raw = book.run(), book.want("raw")
    made = book.making(raw, book.claim(who, raw))

    book.commit(who, Commit(making=[made], release=True, end_run=True))

    row = book.ledger.runs.get(who.run)
    assert row is not None
    assert (row.status, row.ended_at is not None) == ("succeeded", True)
    assert book.open(who._replace(attempt=2), [raw]).closed == "succeeded"
    assert [e.name for e in book.ledger.runs.events(who.run)] == ["flowstone.run.stop"]


def test_what_is_recorded_is_answered(book: Book) -> None:
    """Whoever commits learns which events are recorded, the end of the run too."""
    who, raw = book.run(), book.want("raw")
    made = book.making(raw, book.claim(who, raw))
    at = datetime(2025, 1, 15, tzinfo=UTC)
    told = of_kind(replace(event(raw), run=who.run, at=at))
    commit = Commit(making=[made], news=[told], release=True, end_run=True)

    done = book.ledger.packs.commit(who, APP, commit)

    assert [e.name for e in done.news] == [told.name, "flowstone.run.stop"]
    assert list(done.news) == book.ledger.runs.events(who.run)


def test_a_commit_that_is_refused_ends_no_run(book: Book) -> None:
    """A run goes on where the last of its values was superseded."""
    who, raw = book.run(), book.want("raw")
    late = book.making(raw, book.claim(who, raw))
    book.claim(who._replace(attempt=2), raw)

    book.commit(who, Commit(making=[late], release=True, end_run=True))

    row = book.ledger.runs.get(who.run)
    assert row is not None
    assert row.status == "running"


def test_a_run_that_was_ended_is_not_ended_again(book: Book) -> None:
    """A late commit of nothing but taken versions does not change how a run ended."""
    book.make(book.run("before"), book.want("raw"))
    who, taken = book.run(), book.want("raw", missing=True)
    version = book.claim(who, taken).reused
    assert version is not None
    book.end(who)

    book.commit(who, Commit(release=True, end_run=True))
    refused = book.commit(
        who, Commit(reusing=[(taken, version)], release=True, end_run=True)
    )

    row = book.ledger.runs.get(who.run)
    assert row is not None
    assert (refused, row.status) == (["superseded"], "terminated")
    assert book.ledger.runs.nodes(who.run) == []


def test_an_ended_run_opens_nothing(book: Book) -> None:
    """A step of a run that has ended, or that nobody knows, is told so."""
    who, raw = book.run(), book.want("raw")
    book.end(who)

    assert book.open(who, [raw]).closed == "terminated"
    assert book.open(who._replace(run="nobody"), [raw]).closed == "forgotten"
    assert book.states(who) == []


def test_many_runs_that_share_their_assets_make_each_once(book: Book) -> None:
    """Eight runs that need the same twenty values make twenty versions in all."""
    wants = [book.want(f"a{n:02}", missing=True, number=n) for n in range(20)]

    def run(number: int) -> None:
        who = book.run(f"w{number}")
        asked = wants if number % 2 else wants[::-1]
        for dispatch in range(1, 500):
            who = who._replace(dispatch=dispatch)
            found = book.open(who, asked).cells
            pairs = list(zip(asked, found, strict=True))
            making = [book.making(w, c) for w, c in pairs if c.attempt]
            reusing = [(w, c.reused) for w, c in pairs if c.reused]
            book.commit(who, Commit(making=making, reusing=reusing, release=True))
            if not any(c.busy for c in found):
                return
        raise AssertionError("it was busy for ever")

    at_once(partial(run, number) for number in range(8))

    assert book.count(versions) == 20
    assert book.ask("SELECT count(*) FROM flowstone_claims") == [(0,)]
    settled = "SELECT count(*) FROM flowstone_run_nodes WHERE version IS NOT NULL"
    assert book.ask(settled) == [(160,)]
