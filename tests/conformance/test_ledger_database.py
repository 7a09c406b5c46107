"""The database under the ledger: nothing is lost in it, and its schema is the right one."""

from __future__ import annotations

from contextlib import closing
from functools import partial

import pytest
from sqlalchemy import Connection, select, update
from sqlalchemy.exc import DBAPIError

from flowstone import ConfigurationError, SqlLedger
from flowstone.ledger.schema import secrets
from tests.conformance.ledger_suite import Book, at_once


def test_no_update_is_lost(book: Book) -> None:
    """Eight threads that increment one number 400 times in all make it 400."""
    book.ledger.secret("number", "0")
    row = secrets.c.name == "number"

    def increment(conn: Connection) -> None:
        query = book.ledger.database.dialect.locked(select(secrets.c.value).where(row))
        value = int(conn.execute(query).scalar_one())
        conn.execute(update(secrets).where(row).values(value=str(value + 1)))

    def work() -> None:
        for _ in range(50):
            book.ledger.database.transact(increment)

    at_once([work] * 8)

    assert book.ledger.secret("number", "never") == "400"


def test_the_first_secret_of_a_name_stays(book: Book) -> None:
    """Processes that each offer a secret agree on one."""
    offered = [partial(book.ledger.secret, "signing", f"s{n}") for n in range(8)]

    assert len({*at_once(offered), book.ledger.secret("signing", "late")}) == 1


def test_a_transaction_that_fails_leaves_nothing(book: Book) -> None:
    """What is written before an error is undone, and the connection is good again."""

    def work(conn: Connection) -> None:
        row = {"name": "half", "value": "done"}
        book.ledger.database.dialect.insert(conn, secrets, [row])
        raise RuntimeError

    with pytest.raises(RuntimeError):
        book.ledger.database.transact(work)

    assert book.count(secrets) == 0


def test_an_error_does_not_tell_what_was_written(book: Book) -> None:
    """The message of a failed statement holds none of its values."""
    book.ledger.secret("signing", "hunter2")

    def again(conn: Connection) -> None:
        row = {"name": "signing", "value": "hunter3"}
        book.ledger.database.dialect.insert(conn, secrets, [row])

    with pytest.raises(DBAPIError) as caught:
        book.ledger.database.transact(again)

    assert "hunter" not in str(caught.value)


def test_a_ledger_without_tables_says_what_to_do(ledger_url: str) -> None:
    """An empty database is refused with the command that makes the tables."""
    with closing(SqlLedger(ledger_url)) as ledger:
        assert ledger.database.revision() is None
        with pytest.raises(ConfigurationError, match="no tables yet.*db upgrade"):
            ledger.check()


def test_an_older_schema_is_refused_until_it_is_upgraded(book: Book) -> None:
    """A worker of a newer release starts nothing on an older schema."""
    book.tell("UPDATE flowstone_schema SET version_num = '0000'")

    with pytest.raises(ConfigurationError, match="revision 0000.*db upgrade"):
        book.ledger.check()


def test_a_newer_schema_is_refused_and_left_alone(book: Book) -> None:
    """A release that is older than the schema says so, and does not touch it."""
    book.tell("UPDATE flowstone_schema SET version_num = '9999'")

    for refused in (book.ledger.check, book.ledger.upgrade):
        with pytest.raises(ConfigurationError, match="newer than this release"):
            refused()

    assert book.ledger.database.revision() == "9999"


def test_many_may_upgrade_at_once(ledger_url: str) -> None:
    """Workers that all find the tables missing make them once."""

    def upgrade() -> None:
        with closing(SqlLedger(ledger_url)) as ledger:
            ledger.upgrade()
            ledger.check()

    at_once([upgrade] * 6)


def test_an_upgrade_of_what_is_new_changes_nothing(book: Book) -> None:
    """The tables are made once; upgrading again keeps what is in them."""
    who = book.run()

    book.ledger.upgrade()

    assert book.ledger.runs.get(who.run) is not None


def test_a_closed_ledger_connects_again(book: Book) -> None:
    """Closing lets go of every connection, and using the ledger again works."""
    who = book.run()

    book.ledger.close()

    assert book.ledger.runs.get(who.run) is not None


# --- URLs ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "postgres://ann:hunter2@db/shop?sslpassword=hunter2&options=-c%20x%3Dhunter2",
        "postgresql+psycopg://ann:hunter2@db:5432/shop?password=hunter2",
    ],
)
def test_secrets_are_not_shown(url: str) -> None:
    """Neither the password of a URL nor a secret among its parameters is shown."""
    ledger = SqlLedger(url)

    shown = f"{ledger!r} {ledger.database.where()}"

    assert "hunter2" not in shown
    assert "ann:***@db" in shown


@pytest.mark.parametrize(
    "url",
    [
        "mysql://ann:hunter2@db/shop",
        "sqlite://",
        "sqlite:///:memory:",
        "hunter2",
        "postgresql://ann:hunter2@db:port/shop",
    ],
)
def test_a_url_of_another_kind_is_refused(url: str) -> None:
    """What is neither Postgres nor a file of SQLite is refused, without its password."""
    with pytest.raises(ConfigurationError) as caught:
        SqlLedger(url)

    assert "hunter2" not in str(caught.value)


def test_a_database_that_does_not_answer_is_named_without_its_password() -> None:
    """Checking a server that is not there says which, and what to do."""
    ledger = SqlLedger("postgresql://ann:hunter2@127.0.0.1:1/shop")

    with pytest.raises(ConfigurationError, match="does not answer") as caught:
        ledger.check()

    assert "hunter2" not in str(caught.value)
