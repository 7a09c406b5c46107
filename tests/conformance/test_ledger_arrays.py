"""What the ledger hands to Postgres in arrays is what Postgres has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowstone.core.table import State
from flowstone.ledger.arrays import write_arrays

pytestmark = pytest.mark.service

AT = datetime(2026, 1, 15, 6, 30, 0, 123456, tzinfo=UTC)
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
HOSTILE = [
    "",
    "NULL",
    "null",
    " ",
    "{}",
    '{"a"}',
    "a,b",
    '"',
    "\\",
    '\\"',
    "\n\t",
    "é😀",
]


@pytest.fixture(scope="module")
def conn(
    module_postgres_url: str,
) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    url = module_postgres_url.replace("+psycopg", "")
    with psycopg.connect(url, autocommit=True) as conn:
        write_arrays(conn)
        yield conn


def had(
    conn: psycopg.Connection[tuple[object, ...]], kind: str, values: Sequence[object]
) -> object:
    """Ask Postgres for what it has got."""
    [(found,)] = conn.execute(f"SELECT %s::{kind}[]".encode(), [values]).fetchall()
    return found


@given(values=st.lists(st.none() | TEXTS))
def test_any_text_arrives(
    conn: psycopg.Connection[tuple[object, ...]], values: list[str | None]
) -> None:
    """Texts are what they were, and none is none."""
    assert had(conn, "text", values) == values


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("text", HOSTILE),
        ("bigint", [0, -1, 2**62, None]),
        ("integer", [State.MADE, State.FAILED]),
        ("boolean", [True, False, None]),
        ("timestamptz", [AT, None]),
    ],
)
def test_every_kind_of_a_column_arrives(
    conn: psycopg.Connection[tuple[object, ...]], kind: str, values: list[object]
) -> None:
    """So do numbers, truths and instants."""
    assert had(conn, kind, values) == values


@pytest.mark.parametrize("value", ["a\0b", 1.5])
def test_what_has_no_place_in_an_array_is_refused(
    conn: psycopg.Connection[tuple[object, ...]], value: object
) -> None:
    """Nothing is cut off, or guessed."""
    with pytest.raises(psycopg.DataError):
        had(conn, "text", [value])
