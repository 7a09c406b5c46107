"""Connections that break: what is not known is asked for, and nothing is done twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg
import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, OperationalError

from flowstone import Flowstone, MemoryIO, Pipeline, SqlLedger, asset
from flowstone.ledger import postgres
from flowstone.ledger.base import Commit, Event, Publishing
from flowstone.ledger.schema import claims, versions
from tests.conformance.ledger_suite import APP, Book
from tests.conformance.lossy import Loss, Wire, wired

pytestmark = pytest.mark.service
LOSSES: list[Loss] = ["the commit", "its answer"]


@dataclass
class Broken(Book):
    """A ledger at the end of a wire that can be cut."""

    wire: Wire | None = None

    def cut(self, loss: Loss, nth: int = 1) -> None:
        assert self.wire is not None
        self.wire.cut(loss, nth)


@pytest.fixture
def book(postgres_url: str) -> Iterator[Broken]:
    with wired(postgres_url) as (wire, url), closing(SqlLedger(url)) as ledger:
        ledger.upgrade()
        yield Broken(ledger, wire=wire)
        assert wire.lost <= 1


@pytest.fixture(params=LOSSES)
def loss(request: pytest.FixtureRequest) -> Loss:
    """Lose the commit on its way, or the answer on its way back."""
    found: Loss = request.param
    return found


def test_a_commit_whose_outcome_is_unknown_is_asked_for(
    book: Broken, loss: Loss
) -> None:
    """A value is committed once, whether the wire lost its commit or the answer."""
    who, raw = book.run(), book.want("raw")
    made = book.making(raw, book.claim(who, raw))
    told = Event(name="e", asset="raw", key="-", run=who.run, outcome="produced")
    book.cut(loss)

    verdicts = book.commit(who, Commit(making=[made], news=[told], release=True))

    assert verdicts == ["committed"]
    assert book.current_id("raw") == made.attempt.id
    assert (book.count(versions), book.count(claims)) == (1, 0)
    assert len(book.ledger.runs.events(who.run)) == 1
    assert book.states(who) == ["committed"]


def test_what_was_recorded_is_known_after_all(book: Broken, loss: Loss) -> None:
    """The events of a commit whose outcome was unknown are answered as recorded."""
    who, raw = book.run(), book.want("raw")
    made = book.making(raw, book.claim(who, raw))
    at = datetime(2025, 1, 15, tzinfo=UTC)
    told = Event(name="e", asset="raw", key="-", run=who.run, outcome="produced", at=at)
    commit = Commit(making=[made], news=[told], release=True, end_run=True)
    book.cut(loss)

    done = book.ledger.packs.commit(who, APP, commit)

    assert [e.name for e in done.news] == ["e", "flowstone.run.stop"]
    assert list(done.news) == book.ledger.runs.events(who.run)


def test_a_group_goes_on_from_what_it_finds(book: Broken, loss: Loss) -> None:
    """Values, waits and ends that were committed together are known together."""
    who = book.run()
    raw, held, side = book.want("raw"), book.want("held"), book.want("side")
    opened = book.open(who, [raw, held, side]).cells
    commit = Commit(
        making=[book.making(raw, opened[0])],
        holding=[book.holding(held, opened[1])],
        ending=[book.ending(side, opened[2], "skipped")],
        release=True,
    )
    book.cut(loss)

    verdicts = book.commit(who, commit)

    assert verdicts == ["committed", "held"]
    assert book.states(who) == ["committed", "held", "skipped"]
    gate = book.ledger.gates.get("g")
    assert gate is not None
    assert gate.state == "waiting"


def test_what_was_refused_stays_refused(book: Broken, loss: Loss) -> None:
    """A late commit is superseded whether its answer was lost or not."""
    who, raw, side = book.run(), book.want("raw"), book.want("side")
    opened = book.open(who, [raw, side]).cells
    late = [book.making(raw, opened[0]), book.making(side, opened[1])]
    kept = book.make(who._replace(dispatch=2), raw)
    book.cut(loss)

    verdicts = book.commit(who, Commit(making=late, release=True))

    assert verdicts == ["made", "committed"]
    assert book.current_id("raw") == kept


@pytest.mark.parametrize("reuses", [False, True], ids=["a value", "nothing new"])
def test_the_end_of_a_run_is_asked_for_too(
    book: Broken, loss: Loss, reuses: bool
) -> None:
    """The commit that ends a run ends it once, and the step learns that it has."""
    book.make(book.run("before"), book.want("raw"))
    who, raw = book.run(), book.want("raw", missing=reuses)
    claimed = book.claim(who, raw)
    commit = Commit(
        making=[] if reuses else [book.making(raw, claimed)],
        reusing=[(raw, claimed.reused)] if claimed.reused else [],
        release=True,
        end_run=True,
    )
    book.cut(loss)

    verdicts = book.commit(who, commit)

    row = book.ledger.runs.get(who.run)
    assert row is not None
    assert (verdicts, row.status) == ([] if reuses else ["committed"], "succeeded")
    assert len(book.ledger.runs.events(who.run)) == 1


def test_beginning_answering_and_settling_are_repeated(
    book: Broken, loss: Loss
) -> None:
    """What is the same when it is done twice is done again."""
    row = book.row(user_key="mine")
    book.cut(loss)
    assert book.ledger.runs.begin(row).id == row.id
    who = book.run()
    book.hold(who, book.want("raw"))
    assert book.wire is not None
    book.wire.lost = 0
    book.cut(loss)

    decided = book.ledger.gates.answer("g", "1", "ann")

    assert decided is not None
    assert decided.state == "decided"
    assert len(book.ledger.catalog.audit(APP, subject="g")) == 1


def test_a_connection_that_is_lost_before_the_commit_is_replaced(
    book: Broken, postgres_url: str
) -> None:
    """Work whose connection the server ends half way is done again, wholly and once."""
    ended: list[int] = []

    def work(conn: Connection) -> None:
        row = {"name": f"try{len(ended)}", "value": "x"}
        conn.execute(text("INSERT INTO flowstone_secrets VALUES (:name, :value)"), row)
        if not ended:
            ended.append(conn.execute(text("SELECT pg_backend_pid()")).scalar_one())
            with psycopg.connect(postgres_url.replace("+psycopg", "")) as other:
                other.execute("SELECT pg_terminate_backend(%s)", ended)
        conn.execute(text("SELECT 1"))

    book.ledger.database.transact(work)

    assert book.ask("SELECT name FROM flowstone_secrets") == [("try1",)]


def test_an_unknown_outcome_that_nobody_asks_for_is_raised(book: Broken) -> None:
    """What cannot be asked for is not done twice behind anybody's back."""
    book.cut("its answer")

    with pytest.raises(OperationalError):
        book.ledger.database.transact(
            lambda conn: conn.execute(text("SELECT 1")) and None
        )


@pytest.mark.parametrize("in_batch", [False, True])
def test_a_worker_that_freezes_in_a_transaction_keeps_nobody_waiting(
    postgres_url: str, *, in_batch: bool
) -> None:
    """The server ends a session that stops with locks in its hands."""
    bound = "transaction_timeout" if in_batch else "idle_in_transaction_session_timeout"
    soon = f"?options=-c%20{bound}%3D1500"
    with closing(SqlLedger(postgres_url + soon)) as ledger:
        ledger.upgrade()
        book = Book(ledger)
        who, raw = book.run(), book.want("raw")
        book.claim(who, raw)
        thawed, locked = threading.Event(), threading.Event()

        def freeze(conn: Connection) -> None:
            together = ledger.database.dialect.together(conn)
            with together if in_batch else nullcontext():
                conn.execute(text("UPDATE flowstone_claims SET attempt = attempt"))
                locked.set()
                thawed.wait(20)

        def work() -> None:
            with suppress(DBAPIError):
                ledger.database.transact(freeze)

        frozen = threading.Thread(target=work, daemon=True)
        frozen.start()
        assert locked.wait(20)
        began = time.monotonic()
        taken = book.claim(who._replace(attempt=2), raw)
        waited = time.monotonic() - began
        thawed.set()
        frozen.join(20)

    assert taken.attempt is not None
    assert waited < 15


def test_a_server_that_bounds_no_transaction_is_sent_one_by_one(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On an older Postgres a session is idle between any two statements of a batch."""
    monkeypatch.setattr(postgres, "_BOUNDED", 10**9)
    states: list[str] = []
    with closing(SqlLedger(postgres_url)) as ledger:
        ledger.upgrade()
        book = Book(ledger)
        who, raw = book.run(), book.want("raw")
        assert book.commit(
            who, Commit(making=[book.making(raw, book.claim(who, raw))], release=True)
        ) == ["committed"]

        def look(conn: Connection) -> None:
            pid = conn.execute(text("SELECT pg_backend_pid()")).scalar_one()
            with ledger.database.dialect.together(conn) as send:
                send.clock()
                states.extend(
                    str(state)
                    for (state,) in book.ask(
                        "SELECT state FROM pg_stat_activity WHERE pid = :pid", pid=pid
                    )
                )

        ledger.database.transact(look)

    assert states == ["idle in transaction"]


def test_sessions_end_when_they_stop_in_a_transaction(book: Broken) -> None:
    """Where nobody has said otherwise, a session may be idle for half a minute."""
    assert book.ask("SHOW idle_in_transaction_session_timeout") == [("30s",)]
    assert book.ask("SHOW transaction_timeout") == [("1min",)]


def test_locks_are_all_that_isolates(book: Broken, postgres_url: str) -> None:
    """A database whose default is another level is used as any other."""
    with psycopg.connect(
        postgres_url.replace("+psycopg", ""), autocommit=True
    ) as other:
        other.execute(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET "
            "default_transaction_isolation = serializable', current_database()); END $$"
        )
    book.ledger.close()

    assert book.ask("SHOW transaction_isolation") == [("read committed",)]


def test_a_relay_passes_over_what_another_holds(book: Broken) -> None:
    """A bell that one worker is taking keeps no other worker waiting."""
    one = book.run("one")
    wants = [book.want("raw"), book.want("clean")]
    book.open(one, wants)
    for name, want in zip(("two", "three"), wants, strict=True):
        book.open(book.run(name), [want])
    book.commit(one, Commit(release=True))

    with book.ledger.database.dialect.begin() as conn:
        conn.execute(
            text("SELECT 1 FROM flowstone_outbox WHERE workflow = 'two' FOR UPDATE")
        )
        found = book.ledger.outbox.due(APP)

    assert [b.workflow for b in found] == ["three"]


# --- whole runs ---------------------------------------------------------------------


@asset
def source() -> list[int]:
    return [3, 1, 2]


@asset
def ordered(source: list[int]) -> list[int]:
    return sorted(source)


@asset
def report(ordered: list[int]) -> str:
    return f"{len(ordered)} rows"


@pytest.mark.parametrize("packs", [True, False], ids=["along", "apart"])
async def test_a_run_outlives_each_of_its_commits(
    postgres_url: str, loss: Loss, *, packs: bool
) -> None:
    """Whichever commit of a run is lost, it ends with one version of each value."""
    pipeline = Pipeline(source, ordered, report)
    with wired(postgres_url) as (wire, url):
        app = Flowstone(
            APP, pipeline, io={"default": MemoryIO()}, ledger=SqlLedger(url)
        )
        async with app.local(packs=packs) as stone:
            await (await stone.materialize_all(report, 0)).result()
            wire.cut(loss, 0)
            await (await stone.materialize_all(report, 100)).result()
            commits = wire.commits
            for nth in range(1, commits + 1):
                wire.cut(loss, nth)
                run = await stone.materialize_all(report, nth)
                assert await run.result() == "3 rows"
                assert (await run.wait()).status == "succeeded"
        keys, cut = commits + 2, wire.lost

    with psycopg.connect(postgres_url.replace("+psycopg", "")) as raw:
        query = "SELECT count(*), count(DISTINCT (asset, key)) FROM flowstone_versions"
        assert raw.execute(query).fetchone() == (3 * keys, 3 * keys)
        assert raw.execute("SELECT count(*) FROM flowstone_claims").fetchone() == (0,)
    # The row, the plan with its claims, the values; or claims and a value three times.
    assert cut >= (3 if packs else 8)


def test_a_decision_is_told_after_all(book: Broken, loss: Loss) -> None:
    """Whoever settles a gate has its event once, though the answer was lost."""
    who, gates = book.run(), book.ledger.gates
    book.hold(who, book.want("raw"), "g")
    book.cut(loss)

    settled = gates.settle(["g"], expired=True)

    assert [(e.name, e.data["gate"]) for e in settled.news] == [
        ("flowstone.signal_gate.timeout", "g")
    ]
    told = [e for e in book.ledger.runs.events(who.run) if "gate" in e.data]
    assert told == settled.news
    assert gates.settle(["g"], expired=True).news == []


@pytest.mark.parametrize("decision", ["approve", "reject", "recompute", "escalate"])
def test_a_decision_is_taken_once(book: Broken, loss: Loss, decision: str) -> None:
    """Whoever decides learns that it was so, and not that somebody was first."""
    book.approval(book.run(), book.want("raw"), seconds=3600)
    approvals = book.ledger.approvals
    book.cut(loss)
    if decision == "escalate":
        found, _ = approvals.escalate(APP, "g", "boss", "anna")
    else:
        found = approvals.decide(APP, "g", decision, "anna")

    assert book.ledger.gates.get("g") == found
    lines = book.ledger.catalog.audit(APP, limit=100, subject="g")
    assert [line.action for line in lines] == [f"approval.{decision}"]


def test_an_instant_passes_once(book: Broken, loss: Loss) -> None:
    """A reminder whose outcome is unknown is told, and recorded once."""
    who = book.run()
    book.approval(who, book.want("raw"), seconds=3600, reminders=[60.0])
    gate = book.ledger.gates.get("g")
    assert gate is not None
    assert gate.due_millis is not None
    book.cut(loss)
    settled = book.ledger.gates.settle(
        ["g"], expired=True, instants={"g": gate.due_millis}
    )

    recorded = [e for e in book.ledger.runs.events(who.run) if "approval" in e.data]
    assert settled.news == recorded
    assert [e.outcome for e in recorded] == ["reminded"]


def test_a_value_that_was_approved_is_published_once(book: Broken, loss: Loss) -> None:
    """The commit that shows it is asked for as every other."""
    who = book.run()
    held = book.approval(who, book.want("raw"))
    book.ledger.approvals.decide(APP, "g", "approve", "anna")
    book.ledger.gates.settle(["g"], expired=False)
    two, raw = who._replace(dispatch=2), book.want("raw", gate="g")
    attempt = book.claim(two, raw).attempt
    assert attempt is not None
    book.cut(loss)
    shown = Publishing(wanted=raw, attempt=attempt, version=held)

    assert book.commit(two, Commit(publishing=[shown], release=True)) == ["committed"]
    assert book.current_id("raw") == held
    assert book.count(claims) == 0
