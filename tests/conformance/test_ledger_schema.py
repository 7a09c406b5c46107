"""The tables that the revisions make are those that the code writes to."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text

from flowstone import SqlLedger
from flowstone.ledger.schema import metadata

OF_POSTGRES = {
    "columns": """
        SELECT table_name, column_name, ordinal_position, data_type, is_nullable,
               column_default, collation_name
        FROM information_schema.columns WHERE table_schema = 'public'
    """,
    "indexes": "SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "constraints": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
        FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    """,
    "sequences": "SELECT sequencename, data_type::text FROM pg_sequences",
}
OF_SQLITE = {
    "columns": """
        SELECT t.name, c.name, c.cid, c.type, c."notnull", c.dflt_value, c.pk
        FROM sqlite_master t JOIN pragma_table_info(t.name) c WHERE t.type = 'table'
    """,
    "indexes": "SELECT tbl_name, sql FROM sqlite_master WHERE type = 'index'",
    "constraints": """
        SELECT t.name, l."unique", l.origin, group_concat(i.name)
        FROM sqlite_master t JOIN pragma_index_list(t.name) l
            JOIN pragma_index_info(l.name) i
        WHERE t.type = 'table' GROUP BY t.name, l.name
    """,
}
BESIDE = ("flowstone_fences", "flowstone_schema")
"""What the revisions make beside the tables that the code describes."""


def structure(engine: Engine, queries: dict[str, str]) -> dict[str, list[str]]:
    """Describe all that is in a database."""
    with engine.connect() as conn:
        return {
            name: sorted(
                str(tuple(row))
                for row in conn.execute(text(query))
                if not str(row[0]).startswith(BESIDE)
            )
            for name, query in queries.items()
        }


def by_revisions(url: str, queries: dict[str, str]) -> dict[str, list[str]]:
    with closing(SqlLedger(url)) as ledger:
        ledger.upgrade()
        return structure(ledger.database.dialect.engine, queries)


def by_metadata(url: str, queries: dict[str, str]) -> dict[str, list[str]]:
    engine = create_engine(url)
    try:
        metadata.create_all(engine)
        return structure(engine, queries)
    finally:
        engine.dispose()


@pytest.mark.service
def test_revisions_agree_with_the_code_on_postgres(
    postgres_url: str, second_postgres_url: str
) -> None:
    """On Postgres the revisions make each column, index and constraint as described."""
    made = by_revisions(postgres_url, OF_POSTGRES)

    assert made == by_metadata(second_postgres_url, OF_POSTGRES)
    assert len(made["columns"]) > 100


def test_revisions_agree_with_the_code_on_sqlite(tmp_path: Path) -> None:
    """On SQLite the revisions make each column, index and constraint as described."""
    made = by_revisions(f"sqlite:///{tmp_path / 'one.db'}", OF_SQLITE)

    assert made == by_metadata(f"sqlite:///{tmp_path / 'two.db'}", OF_SQLITE)
    assert len(made["columns"]) > 100


@pytest.mark.service
def test_names_are_ordered_by_their_bytes(postgres_url: str) -> None:
    """Claims are locked in the order in which Python sorts, whatever a database's."""
    columns = by_revisions(postgres_url, OF_POSTGRES)["columns"]

    ordered = [c for c in columns if "'asset'" in c or "'key'" in c]
    assert len(ordered) >= 16
    assert all(c.endswith("'C')") for c in ordered)
