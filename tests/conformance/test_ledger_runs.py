"""The rows of runs: begun once, planned once, ended once, whoever asks again."""

from __future__ import annotations

from dataclasses import replace

from flowstone.core.errors import RunError
from flowstone.core.table import State
from flowstone.ledger.base import Commit, RunRow
from flowstone.ledger.schema import plans, runs
from tests.conformance.ledger_suite import APP, PLAN, Book, at_once


def test_beginning_twice_is_beginning_once(book: Book) -> None:
    """A run that is begun again is the run that is there."""
    row = book.row()

    first = book.ledger.runs.begin(row)
    again = book.ledger.runs.begin(replace(row, actor="bob"))

    assert (first.id, again.id, again.actor) == (row.id, row.id, "ann")
    assert first.created_at is not None
    assert (again.status, again.request) == ("starting", row.request)
    actions = [e.action for e in book.ledger.catalog.audit(APP)]
    assert actions == ["run.start"]


def test_a_callers_key_is_one_run(book: Book) -> None:
    """Fifty who begin at once under one key have one run, and one line of audit."""
    rows = [book.row(workflow=f"w{n}", user_key="mine") for n in range(50)]

    found = at_once(lambda row=row: book.ledger.runs.begin(row) for row in rows)

    assert len({run.id for run in found}) == 1
    assert book.count(runs) == 1
    assert len(book.ledger.catalog.audit(APP)) == 1


def test_keys_are_the_apps_own(book: Book) -> None:
    """Two apps may use the same key; without one, each run is its own."""
    mine, none, nothing = book.row(user_key="k"), book.row(), book.row()
    theirs = book.row(user_key="k")
    theirs = replace(theirs, request=replace(theirs.request, pipeline="another"))

    begun = [book.ledger.runs.begin(r) for r in (mine, theirs, none, nothing)]

    assert len({run.id for run in begun}) == 4


def test_a_key_whose_run_is_taken_back_is_free(book: Book) -> None:
    """Runs that are begun and taken back at once leave the key to one of them."""

    def begin(number: int) -> RunRow:
        row = book.row(workflow=f"w{number}", user_key="mine")
        found = book.ledger.runs.begin(row)
        if number % 2 and found.id == row.id:
            book.ledger.runs.forget(row.id, into="nobody")
        return found

    at_once(lambda n=n: begin(n) for n in range(40))
    last = book.ledger.runs.begin(book.row(user_key="mine"))

    assert last.user_key == "mine"
    assert book.count(runs) == 1


def test_the_key_of_a_run_that_joined_names_the_run_it_joined(book: Book) -> None:
    """The same key finds the joined run, while it runs and after its end."""
    who = book.run()
    row = book.ledger.runs.begin(book.row(user_key="mine"))

    book.ledger.runs.forget(row.id, into=who.run)
    book.end(who, "succeeded")
    again = book.ledger.runs.begin(book.row(user_key="mine"))

    assert (again.id, again.status) == (who.run, "succeeded")
    assert book.ledger.runs.get(row.id) is None
    joined = book.ledger.catalog.audit(APP, subject=row.id)
    assert [e.action for e in joined] == ["run.join", "run.start"]


def test_a_run_that_went_on_is_not_taken_back(book: Book) -> None:
    """Only what was never started can be forgotten, or refused."""
    who = book.run()

    book.ledger.runs.forget(who.run, into="another")
    book.ledger.runs.refuse(who.run, "no")

    row = book.ledger.runs.get(who.run)
    assert row is not None
    assert row.status == "running"


def test_a_refused_run_says_why(book: Book) -> None:
    """A start that was refused is in the row and in the audit log."""
    row = book.ledger.runs.begin(book.row())

    book.ledger.runs.refuse(row.id, "another one runs")

    found = book.ledger.runs.get(row.id)
    assert found is not None
    assert (found.status, found.reason) == ("not_started", "another one runs")
    assert found.ended_at is not None
    assert book.ledger.catalog.audit(APP)[0].action == "run.refuse"


def test_planning_twice_is_planning_once(book: Book) -> None:
    """A plan is written once, with what it takes as given; a second time is ignored."""
    made = book.make(book.run("before"), book.want("raw"))
    version = book.current("raw")
    row = book.row()
    book.ledger.runs.begin(row)

    assert book.ledger.runs.plan(row, PLAN, {0: version, 1: None}, []).state == "ours"
    assert book.ledger.runs.plan(row, PLAN, {0: None, 1: None}, []).state == "there"

    found = book.ledger.runs.get(row.id)
    assert found is not None
    assert (found.status, found.plan) == ("running", PLAN.digest)
    assert found.started_at is not None
    nodes = [(n, s, v) for n, _, s, v, _, _ in book.ledger.runs.nodes(row.id)]
    assert sorted(nodes) == [(0, State.REUSED, made), (1, State.BYPASSED, None)]
    assert book.ledger.runs.absent(row.id) == [1]


def test_plans_are_shared(book: Book) -> None:
    """Runs that are planned alike name one plan, and read it as it was."""
    book.run("one")
    book.run("two")

    assert book.count(plans) == 1
    assert book.ledger.runs.plan_body(PLAN.digest) == PLAN.body


def test_a_plan_writes_the_row_that_is_missing(book: Book) -> None:
    """A run whose row was lost is there again when its first step is done."""
    row = book.row()

    assert book.ledger.runs.plan(row, PLAN, {}, []).state == "ours"

    found = book.ledger.runs.get(row.id)
    assert found is not None
    assert found.status == "running"


def test_a_run_ends_once(book: Book) -> None:
    """The first end stands; what was planned or ended is not begun again."""
    who = book.run()
    error = RunError(reason="it broke", run_id=who.run)
    row = book.ledger.runs.get(who.run)
    assert row is not None

    ended = book.ledger.runs.end(row, "failed", error=error, reason="why")
    again = book.ledger.runs.end(row, "succeeded")

    found = book.ledger.runs.get(who.run)
    assert found is not None
    assert [(e.name, e.outcome) for e in ended] == [("flowstone.run.stop", "failed")]
    assert ended == book.ledger.runs.events(who.run)
    assert again == []
    assert (found.status, found.reason) == ("failed", "why")
    assert found.error is not None
    assert found.error.to_data() == error.to_data()
    assert book.ledger.runs.plan(row, PLAN, {}, []).state == "ended"
    assert [e.outcome for e in book.ledger.runs.events(who.run)] == ["failed"]


def test_of_many_ends_at_once_one_counts(book: Book) -> None:
    """Sixteen who end a run at the same moment end it once."""
    who = book.run()

    ended = at_once([lambda: book.end(who)] * 16)

    assert sorted(ended) == [False] * 15 + [True]
    assert len(book.ledger.runs.events(who.run)) == 1


def test_an_end_leaves_versions_as_they_are(book: Book) -> None:
    """Cells that no step has settled end with their run; those that are made stay."""
    who, raw = book.run(), book.want("raw")
    made = book.make(who, raw)
    row = book.ledger.runs.get(who.run)
    assert row is not None
    rows = [
        {
            "run": who.run,
            "key_number": 0,
            "node": node,
            "state": int(State.CANCELLED),
            "version": None,
            "reason": "",
            "error": None,
        }
        for node in (0, 1)
    ]

    book.ledger.runs.end(row, "cancelled", settled=rows)

    nodes = [(n, s, v) for n, _, s, v, _, _ in book.ledger.runs.nodes(who.run)]
    assert sorted(nodes) == [(0, State.MADE, made), (1, State.CANCELLED, None)]


def test_the_newest_runs_come_first(book: Book) -> None:
    """Runs are listed by what was asked for and by how they stand."""
    begun = [book.run(f"w{n}", target=f"a{n % 2}").run for n in range(4)]
    last = book.ledger.runs.get(begun[3])
    assert last is not None
    book.ledger.runs.end(last, "failed")
    recent = book.ledger.runs.recent

    def ids(found: list[RunRow]) -> list[str]:
        return [row.id for row in found]

    assert ids(recent(APP, limit=3)) == begun[:0:-1]
    assert ids(recent(APP, limit=9, asset="a0")) == [begun[2], begun[0]]
    assert ids(recent(APP, limit=9, status="failed")) == [begun[3]]
    assert recent("another", limit=9) == []


def test_durations_are_the_median_of_late(book: Book) -> None:
    """An asset's last nine versions say how long it takes; one long ago does not."""
    who, raw = book.run(), book.want("raw")
    for number, millis in enumerate([90_000, *range(9)], 1):
        turn = who._replace(dispatch=number)
        want = replace(raw, key_number=number)
        made = book.making(want, book.claim(turn, want), millis=millis)
        book.commit(turn, Commit(making=[made], release=True))

    assert book.ledger.runs.durations([f"{APP}/raw", f"{APP}/never"]) == {
        f"{APP}/raw": 4
    }
