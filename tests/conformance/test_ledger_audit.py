"""The audit log: added to, never changed; each app reads its own."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from flowstone.ledger.audit import write_audit
from flowstone.ledger.schema import audit
from flowstone.ledger.turn import Turn
from tests.conformance.ledger_suite import APP, Book

FORGERIES = {
    "update": "UPDATE flowstone_audit SET actor = 'somebody else'",
    "update of one": "UPDATE flowstone_audit SET data = '{}' WHERE seq = 1",
    "delete": "DELETE FROM flowstone_audit",
    "delete of one": "DELETE FROM flowstone_audit WHERE seq = 1",
    "replacement": """
        INSERT INTO flowstone_audit
            (seq, at, pipeline, actor, action, subject, run, data)
        SELECT seq, at, pipeline, 'somebody else', action, subject, run, data
        FROM flowstone_audit WHERE seq = 1
        ON CONFLICT (seq) DO UPDATE SET actor = excluded.actor
    """,
}
ON_POSTGRES = {"truncate": "TRUNCATE flowstone_audit"}
ON_SQLITE = {
    "replace": """
        INSERT OR REPLACE INTO flowstone_audit
            (seq, at, pipeline, actor, action, subject, run, data)
        SELECT seq, at, pipeline, 'somebody else', action, subject, run, data
        FROM flowstone_audit WHERE seq = 1
    """,
}


def test_the_database_refuses_every_forgery(book: Book) -> None:
    """What is in the log can neither be changed nor taken out (AUD-03)."""
    book.end(book.run())
    before = book.ledger.catalog.audit(APP)
    own = ON_SQLITE if book.ledger.in_process else ON_POSTGRES

    for forgery in (FORGERIES | own).values():
        with pytest.raises(DBAPIError, match="append-only"):
            book.tell(forgery)

    assert book.ledger.catalog.audit(APP) == before
    assert len(before) == 2


def test_each_change_says_who_made_it(book: Book) -> None:
    """Starting, committing, answering, taking away and ending are in the log (AUD-04)."""
    who, raw = book.run(), book.want("raw")
    book.make(who, raw)
    book.hold(who._replace(dispatch=2), book.want("held"))
    book.ledger.gates.answer("g", "1", "bob")
    book.ledger.catalog.invalidate(f"{APP}/raw", "-", cascade=False, actor="eve")
    book.end(who, "cancelled")

    lines = [(e.actor, e.action) for e in reversed(book.ledger.catalog.audit(APP))]

    assert lines == [
        ("ann", "run.start"),
        ("worker", "versions.commit"),
        ("bob", "gate.decided"),
        ("eve", "value.invalidate"),
        ("ann", "run.cancelled"),
    ]


def test_an_app_reads_its_own_lines(book: Book) -> None:
    """Two apps on one ledger do not see what the other one did."""
    who = book.run()

    assert book.ledger.catalog.audit("another") == []
    assert len(book.ledger.catalog.audit(APP)) == 1
    [entry] = book.ledger.catalog.audit(APP, subject=who.run, limit=5)
    assert (entry.pipeline, entry.run, entry.subject) == (APP, who.run, who.run)


def test_what_is_undone_is_not_in_the_log(book: Book) -> None:
    """A line is written in the transaction that it tells of, or not at all."""

    def work(conn: Connection) -> None:
        turn = Turn.take(conn, book.ledger.database.dialect, APP)
        write_audit(turn, "run.start", ["a run"], actor="ann")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        book.ledger.database.transact(work)

    assert book.count(audit) == 0
