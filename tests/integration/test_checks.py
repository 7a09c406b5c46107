"""Ready checks on real servers: what arrives in S3, what changes in a database."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from flowstone import ConfigurationError, S3NewObjects, S3Object, Skip, SqlChange, asset
from flowstone.core.sensor import Found
from flowstone.io.bucket import S3Access
from flowstone.stack import S3Server
from tests.harness import query

pytestmark = pytest.mark.service


@asset
def document() -> int:
    return 1


class Shore:
    """A bucket's prefix of a test's own, where things arrive."""

    def __init__(self, client: Any, environment: dict[str, str]) -> None:
        self.client = client
        self.bucket = environment["FLOWSTONE_S3_BUCKET"]
        self.prefix = f"shore/{secrets.token_hex(6)}/"

    def put(self, name: str, data: bytes = b"x") -> None:
        self.client.put_object(Bucket=self.bucket, Key=self.prefix + name, Body=data)


@pytest.fixture
def shore(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shore]:
    """Give a place in the session's S3."""
    environment = dict(s3_server.environment())
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    client = S3Access().completed().connect()
    yield Shore(client, environment)
    client.close()


def names(found: Found) -> list[object]:
    return [t.partition for t in found.triggers]


def tail(found: S3Object) -> str:
    return found.key.rpartition("/")[2]


def test_what_arrives_is_found(shore: Shore) -> None:
    """An object is known by its key and etag; its partition is its key (SEN-02)."""
    check = S3NewObjects(prefix=shore.prefix, asset=document)
    nothing = check(None)
    shore.put("a.csv", b"1")

    first = check(nothing.cursor)
    again = check(first.cursor)

    [trigger] = first.triggers
    assert nothing == Found([], None)
    assert trigger.asset == "document"
    assert trigger.partition == f"{shore.prefix}a.csv"
    assert trigger.key is not None
    assert trigger.key.startswith(f"{shore.prefix}a.csv#")
    # What is found again is known by the same: the ledger makes no run of it.
    assert again == first


def test_an_overwritten_object_is_news(shore: Shore) -> None:
    """The same key with other bytes is known by another name (SEN-08)."""
    check = S3NewObjects(prefix=shore.prefix, asset=document, partition=tail)
    shore.put("a.csv", b"1")
    [before] = check(None).triggers
    shore.put("a.csv", b"2")
    [after] = check(None).triggers

    assert before.partition == after.partition == "a.csv"
    assert before.key != after.key


def test_what_is_young_is_left_for_later(shore: Shore) -> None:
    """An object that may still be replaced is not news yet (SEN-08)."""
    patient = S3NewObjects(
        prefix=shore.prefix, asset=document, min_age=timedelta(hours=1)
    )
    shore.put("a.csv")

    assert patient(None).triggers == []
    assert patient(None).cursor is None


def test_what_comes_late_is_found(shore: Shore) -> None:
    """An object older than the newest is found within the look-back (SEN-08)."""
    shore.put("a.csv")
    late = (datetime.now(UTC) + timedelta(hours=5)).isoformat()
    within = S3NewObjects(prefix=shore.prefix, asset=document, partition=tail)
    short = S3NewObjects(
        prefix=shore.prefix, asset=document, lookback=timedelta(hours=1)
    )
    endless = S3NewObjects(prefix=shore.prefix, asset=document, lookback=None)

    assert names(within(late)) == ["a.csv"]
    assert len(endless(late).triggers) == 1
    assert short(late) == Found([], late)
    assert within(late).cursor == late


def test_only_what_is_of_interest_is_found(shore: Shore) -> None:
    """By prefix, by suffix, and by what the partition's function leaves out."""
    for name in ("b.csv", "a.csv", "c.txt", "skip.csv"):
        shore.put(name)

    def partition(found: S3Object) -> str | Skip:
        return Skip("not this one") if tail(found) == "skip.csv" else tail(found)

    check = S3NewObjects(
        prefix=shore.prefix, asset=document, suffix=".csv", partition=partition
    )

    assert sorted(map(str, names(check(None)))) == ["a.csv", "b.csv"]
    assert check.assets == ["document"]
    assert shore.prefix in repr(check)


def test_many_objects_are_listed_whole(shore: Shore) -> None:
    """A listing of more than one page is read to its end."""
    for number in range(1100):
        shore.put(f"{number:04}", b"")

    found = S3NewObjects(prefix=shore.prefix, asset=document, partition=tail)(None)

    assert sorted(map(str, names(found))) == [f"{n:04}" for n in range(1100)]


def test_a_listing_that_fails_says_so(shore: Shore) -> None:
    """There is no such bucket: the check raises, and the cursor stays (SEN-02)."""
    with pytest.raises(ConfigurationError, match="no bucket 'nobodys'"):
        S3NewObjects("nobodys", shore.prefix, asset=document)("2025-01-01T00:00:00Z")


# --- databases ----------------------------------------------------------------------


@pytest.fixture
def table(postgres_url: str) -> str:
    """Give the URL of a database with orders in it."""
    query_ = (
        "CREATE TABLE orders (id bigint, day date);"
        "INSERT INTO orders VALUES (1, '2025-01-01'), (2, '2025-01-02'),"
        "(3, '2025-01-02')"
    )
    engine = create_engine(postgres_url)
    with engine.begin() as conn:
        conn.execute(text(query_))
    engine.dispose()
    return postgres_url


NEW = "SELECT id, day FROM orders WHERE id > :cursor ORDER BY id LIMIT 2"


def test_rows_beyond_a_cursor_are_found(table: str) -> None:
    """As many as the query gives; the next look goes on where it ended."""
    check = SqlChange(
        table, NEW, asset=document, start=0, partition=lambda row: row["day"]
    )

    first = check(None)
    second = check(first.cursor)
    third = check(second.cursor)

    assert names(first) == [date(2025, 1, 1), date(2025, 1, 2)]
    assert (first.cursor, names(second), second.cursor) == (2, [date(2025, 1, 2)], 3)
    assert third == Found([], 3)
    assert [t.key for t in first.triggers] == [None, None]
    assert query(table, "SELECT count(*) FROM orders") == [(3,)]


def test_a_time_may_be_a_cursor(table: str) -> None:
    """It is kept as text, which the query casts to what it is."""
    check = SqlChange(
        table.replace("postgresql+psycopg", "postgresql"),
        "SELECT day, id FROM orders WHERE day > CAST(:cursor AS date) ORDER BY day",
        asset="document",
        start="2025-01-01",
        key=lambda row: str(row["id"]),
    )

    found = check(None)

    assert found.cursor == "2025-01-02"
    assert names(found) == [date(2025, 1, 2)] * 2
    assert sorted(str(t.key) for t in found.triggers) == ["2", "3"]


def test_a_row_may_be_left_out(table: str) -> None:
    """`Skip` leaves a row out, and the cursor goes beyond it."""
    check = SqlChange(
        table,
        "SELECT id FROM orders WHERE id > :cursor ORDER BY id",
        asset=document,
        start=0,
        partition=lambda row: Skip("even") if row["id"] % 2 == 0 else row["id"],
    )

    assert (names(check(None)), check(None).cursor) == ([1, 3], 3)


def test_a_database_that_cannot_be_is_refused() -> None:
    """A URL that is none, a query that cannot go on; secrets are not shown."""
    with pytest.raises(ConfigurationError, match="cannot be read") as caught:
        SqlChange("postgresql:/secret@x", NEW, asset=document)
    with pytest.raises(ConfigurationError, match="no `:cursor`"):
        SqlChange("sqlite:///x.db", "SELECT 1", asset=document)

    shown = repr(SqlChange("postgres://ada:secret@db/shop", NEW, asset=document))
    assert "secret" not in str(caught.value)
    assert "secret" not in shown
    assert "ada" in shown
    assert SqlChange("sqlite:///x.db", NEW, asset=document).assets == ["document"]
    assert SqlChange("sqlite:///x.db", NEW, asset=document).problems() == []
