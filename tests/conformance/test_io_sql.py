"""What is particular to the managers that keep values in a database."""

from __future__ import annotations

import multiprocessing
import sqlite3
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from sqlalchemy.exc import IntegrityError, OperationalError

from flowstone.core.errors import (
    CodecError,
    ConfigurationError,
    StoreError,
    ValueNotFound,
)
from flowstone.io import PostgresIO, SqliteIO
from flowstone.testing.io_suite import new_slot, round_trip

# --- SQLite -------------------------------------------------------------------------


def _store_in_file(path: Path) -> list[tuple[str, str]]:
    with closing(SqliteIO(path)) as manager:
        kept = [manager.store(n, new_slot()) for n in range(10)]
    return [(stored.location, stored.digest) for stored in kept]


def test_sqlite_file_is_shared_by_processes(tmp_path: Path) -> None:
    """Four processes make the file and store in it at the same moment."""
    path = tmp_path / "folder" / "values.sqlite"
    context = multiprocessing.get_context("spawn")
    with context.Pool(4) as pool:
        kept = pool.map(_store_in_file, [path] * 4)
    with closing(sqlite3.connect(path)) as raw:
        found = raw.execute("SELECT location, digest FROM flowstone_values").fetchall()
        assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert sorted(found) == sorted(pair for each in kept for pair in each)


def test_sqlite_survives_its_process(tmp_path: Path) -> None:
    """A value is there for the next manager on the same file."""
    with closing(SqliteIO(tmp_path / "v")) as first:
        stored = first.store({"a": 1}, new_slot())
    with closing(SqliteIO(str(tmp_path / "v"))) as second:
        assert second.load(stored, dict[str, int]) == {"a": 1}


def test_sqlite_finds_corruption(tmp_path: Path) -> None:
    """IO-20: a value that was changed on disk is not handed out."""
    with closing(SqliteIO(tmp_path / "v")) as manager:
        stored = manager.store("value", new_slot())
        with closing(sqlite3.connect(tmp_path / "v")) as raw, raw:
            raw.execute("UPDATE flowstone_values SET data = x'2261'")
        with pytest.raises(CodecError, match="not what was stored"):
            manager.load(stored, str)


def test_sqlite_readers_do_not_wait_for_a_writer(tmp_path: Path) -> None:
    """A value is loaded while somebody else holds the write lock."""
    with closing(SqliteIO(tmp_path / "v")) as manager:
        stored = manager.store(1, new_slot())
    with (
        closing(SqliteIO(tmp_path / "v")) as fresh,
        closing(sqlite3.connect(tmp_path / "v", isolation_level=None)) as raw,
    ):
        raw.execute("BEGIN IMMEDIATE")
        assert fresh.load(stored, int) == 1


@pytest.mark.parametrize("path", ["", ":memory:"])
def test_sqlite_wants_a_file(path: str) -> None:
    """A database in memory is refused with the manager to use instead."""
    with pytest.raises(ConfigurationError, match=r"Use MemoryIO\(\)"):
        SqliteIO(path)


# --- Postgres -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "table",
    [
        "x; drop table y",
        "a-b",
        "a;b",
        "1a",
        "1abc",
        "a.b.c",
        "",
        ".",
        "a.",
        ".a",
        "a b",
        'a"',
        "a\n",
        "ä",
        "x" * 64,
    ],
)
def test_io_08_bad_table_names(table: str) -> None:
    """IO-08, SEC-01: what is no identifier, with at most one schema, is no table."""
    with pytest.raises(ConfigurationError, match="cannot be the name of a table"):
        PostgresIO("postgresql://localhost/shop", table=table)


@pytest.mark.parametrize(
    "table", ["a", "s.t", "public.my_table", "_a1", "Order", "x" * 63]
)
def test_io_08_good_table_names(table: str) -> None:
    """IO-08: an identifier is accepted, one schema before it too."""
    assert table in repr(PostgresIO("postgresql://localhost/shop", table=table))


@pytest.mark.parametrize(
    "dsn",
    [
        "",
        "host=db password=hunter2",
        "mysql://u:hunter2@h/d",
        "sqlite:///hunter2",
        "postgresql+asyncpg://u:hunter2@h/d",
        "postgresql://u:hunter2@h:port/d",
    ],
)
def test_bad_urls_are_refused_without_their_password(dsn: str) -> None:
    """A URL of another kind is refused at once, and its password is not repeated."""
    with pytest.raises(ConfigurationError, match="PostgresIO takes a URL") as caught:
        PostgresIO(dsn)
    assert "hunter2" not in str(caught.value)


def test_password_is_not_shown() -> None:
    """The password of a URL is in no representation of the manager."""
    manager = PostgresIO("postgres://u:hunter2@h/d?sslpassword=hunter2")
    assert "hunter2" not in repr(manager)
    assert "u:***@h/d" in repr(manager)


@pytest.mark.service
@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_urls(postgres_url: str, scheme: str) -> None:
    """The usual ways to write a Postgres URL all connect."""
    url = postgres_url.replace("postgresql+psycopg", scheme, 1)
    with closing(PostgresIO(url)) as manager:
        stored = manager.store(1, new_slot("a b"))
        assert manager.load(stored, int) == 1
    assert stored.location == "postgres:flowstone_values/a%20b"


@pytest.mark.service
def test_table_is_made_by_many_at_once(postgres_url: str) -> None:
    """IO-08: managers that all find the table missing make it once, in its schema."""

    def work(number: int) -> object:
        with closing(PostgresIO(postgres_url, table="public.Select")) as manager:
            together.wait()
            return round_trip(manager, number, int)

    together = threading.Barrier(8)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == list(range(8))


@pytest.mark.service
def test_missing_schema_is_a_matter_of_configuration(postgres_url: str) -> None:
    """A table that cannot be made is refused with the database's reason."""
    with (
        closing(PostgresIO(postgres_url, table="nowhere.t")) as manager,
        pytest.raises(ConfigurationError, match='schema "nowhere" does not exist'),
    ):
        manager.store(1, new_slot())


@pytest.mark.service
def test_table_that_was_dropped_is_made_again(postgres_url: str) -> None:
    """After its table was dropped, a manager fails once at most."""
    with closing(PostgresIO(postgres_url)) as manager:
        stored = manager.store(1, new_slot())
        with _raw(postgres_url) as raw:
            raw.execute("DROP TABLE flowstone_values")
        with pytest.raises(Exception, match="does not exist"):
            manager.load(stored, int)
        with pytest.raises(ValueNotFound):
            manager.load(stored, int)
        assert round_trip(manager, 2, int) == 2


@pytest.mark.service
def test_role_without_the_right_to_create(postgres_url: str) -> None:
    """A role that may read and write, and not create, uses a table that is there."""
    role = f"narrow_{uuid4().hex}"
    narrow = f"{postgres_url}?options=-c%20role%3D{role}"
    with (
        closing(PostgresIO(postgres_url)) as owner,
        closing(PostgresIO(narrow)) as manager,
        closing(PostgresIO(narrow, table="another")) as refused,
        _raw(postgres_url) as raw,
    ):
        stored = owner.store(1, new_slot())
        name = sql.Identifier(role)
        raw.execute(sql.SQL("CREATE ROLE {}").format(name))
        rights = "GRANT SELECT, INSERT, UPDATE, DELETE ON flowstone_values TO {}"
        raw.execute(sql.SQL(rights).format(name))
        try:
            assert manager.load(stored, int) == 1
            assert round_trip(manager, 2, int) == 2
            with pytest.raises(ConfigurationError, match="permission denied"):
                refused.store(1, new_slot())
        finally:
            raw.execute(sql.SQL("DROP OWNED BY {}").format(name))
            raw.execute(sql.SQL("DROP ROLE {}").format(name))


@pytest.mark.service
def test_postgres_finds_corruption(postgres_url: str) -> None:
    """IO-20: a value that was changed in its table is not handed out."""
    with closing(PostgresIO(postgres_url)) as manager:
        stored = manager.store("value", new_slot())
        with _raw(postgres_url) as raw:
            raw.execute("UPDATE flowstone_values SET data = '\\x2261'")
        with pytest.raises(CodecError, match="not what was stored"):
            manager.load(stored, str)


@pytest.mark.service
def test_broken_connections_are_replaced(postgres_url: str) -> None:
    """IO-01: connections that the server has ended are replaced unnoticed."""
    with closing(PostgresIO(postgres_url)) as manager:
        stored = manager.store(1, new_slot())
        for work in (
            lambda: manager.load(stored, int),
            lambda: manager.store(2, new_slot()),
            lambda: manager.delete(stored),
        ):
            with _raw(postgres_url) as raw:
                raw.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            work()


@pytest.mark.service
def test_the_same_slots_at_once(postgres_url: str) -> None:
    """Two attempts that store the same slots in opposite orders do not block for ever."""
    pairs = [(bytes(1_000), new_slot()) for _ in range(500)]
    orders = [pairs, pairs[::-1]]
    with closing(PostgresIO(postgres_url)) as manager, ThreadPoolExecutor(4) as pool:
        found = list(pool.map(manager.store_many, orders * 10))
    assert all(each[:] in (found[0], found[0][::-1]) for each in found)


@pytest.mark.service
def test_closed_manager_opens_again(postgres_url: str) -> None:
    """Closing leaves no connection behind, and using the manager again works."""
    manager = PostgresIO(postgres_url)
    stored = manager.store(1, new_slot())
    manager.close()
    manager.close()
    with _raw(postgres_url) as raw:
        query = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        )
        assert raw.execute(query).fetchone() == (1,)
    assert manager.load(stored, int) == 1
    manager.close()


def test_unreachable_database_is_the_drivers_error() -> None:
    """A server that does not answer is left to the caller, who tries again."""
    with (
        closing(PostgresIO("postgresql://u:hunter2@127.0.0.1:1/d")) as manager,
        pytest.raises(OperationalError) as caught,
    ):
        manager.store("private", new_slot())
    assert "hunter2" not in str(caught.value)
    assert "private" not in str(caught.value)


@pytest.mark.service
def test_a_refused_value_is_not_quoted(postgres_url: str) -> None:
    """Where a version has another value, none of many is stored, and none is quoted."""
    with closing(PostgresIO(postgres_url)) as manager:
        slot = new_slot()
        stored = manager.store("private 1", slot)
        values = [("private 2", slot), ("private 3", new_slot())]
        for some in (values, values[:1]):
            with pytest.raises(StoreError, match="a version never changes") as caught:
                manager.store_many(some)
            told = "".join(traceback.format_exception(caught.value))
            assert "private" not in told
            assert "70726976617465" not in told  # as Postgres writes bytes
        assert list(manager.list_locations()) == [(stored.location, stored.bytes)]
    assert stored.location in str(caught.value)


@pytest.mark.service
def test_large_values_together(postgres_url: str) -> None:
    """What is too much for one statement is stored in several, all or none."""
    large = bytes(33_000_000)
    with closing(PostgresIO(postgres_url)) as manager:
        kept = manager.store_many([(large, new_slot()), (large, new_slot())])
        assert [manager.load(stored, bytes) for stored in kept] == [large, large]
        with _raw(postgres_url) as raw:
            raw.execute("TRUNCATE flowstone_values")
            raw.execute(
                "ALTER TABLE flowstone_values ADD CHECK (data IS DISTINCT FROM '7')"
            )
            values = [(value, new_slot()) for value in (large, large, b"7")]
            with pytest.raises(IntegrityError):
                manager.store_many(values)
            count = raw.execute("SELECT count(*) FROM flowstone_values").fetchone()
    assert count == (0,)


@pytest.mark.service
def test_thousand_values_are_stored_fast(postgres_url: str) -> None:
    """A thousand values of a hundred bytes are one statement, not a thousand."""
    with closing(PostgresIO(postgres_url)) as manager:
        manager.store(0, new_slot())
        pairs = [(bytes([n % 256]) * 100, new_slot()) for n in range(1_000)]
        start = time.perf_counter()
        manager.store_many(pairs)
        together = time.perf_counter() - start
        start = time.perf_counter()
        for value, slot in pairs[:100]:
            manager.store(value, slot)
        alone = time.perf_counter() - start
    assert together < alone * 3


def _raw(url: str) -> psycopg.Connection:
    return psycopg.connect(url.replace("+psycopg", "", 1), autocommit=True)
