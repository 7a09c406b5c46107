"""Every IO manager keeps the same promises."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import flowstone.io
from flowstone.io import (
    IOManager,
    MemoryIO,
    PostgresIO,
    SqliteIO,
    StoresMany,
    TakesEncoded,
    lives_in_process,
)
from flowstone.testing.io_suite import CHECKS, round_trip

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5)
    ),
    max_leaves=20,
)
KINDS = ["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.service)]


@pytest.fixture(params=KINDS)
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[IOManager]:
    """Give a manager of each kind."""
    match request.param:
        case "sqlite":
            with closing(SqliteIO(tmp_path / "values.sqlite")) as sqlite:
                yield sqlite
        case "postgres":
            url: str = request.getfixturevalue("postgres_url")
            with closing(PostgresIO(url)) as postgres:
                yield postgres
        case _:
            yield MemoryIO()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_conforms(check: Callable[[IOManager], None], manager: IOManager) -> None:
    """IO-01, IO-02, IO-08, IO-09, IO-11, IO-16, IO-20: each manager passes the suite."""
    check(manager)


@given(value=JSON)
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_json_comes_back(manager: IOManager, value: object) -> None:
    """IO-01: any JSON value comes back as it was, with no annotation at all."""
    loaded = round_trip(manager, value, None)
    assert loaded == value
    assert repr(loaded) == repr(value)


def test_protocols(manager: IOManager) -> None:
    """A manager says what it can do, and whether other workers can read from it."""
    assert isinstance(manager, IOManager)
    assert isinstance(manager, StoresMany)
    assert isinstance(manager, TakesEncoded)
    assert lives_in_process(manager) is not isinstance(manager, PostgresIO)


def test_silence_counts_as_shared() -> None:
    """A manager that does not say where its values live is taken to share them."""
    assert not lives_in_process(object())


def test_public_names() -> None:
    """All that is public can be imported, in the order of the alphabet."""
    names = flowstone.io.__all__
    assert names == sorted(names) == dir(flowstone.io)
    assert all(hasattr(flowstone.io, name) for name in names)
    assert not hasattr(flowstone.io, "Nothing")


def test_importing_costs_nothing() -> None:
    """Importing the package brings neither SQLAlchemy nor pyarrow nor pydantic."""
    code = (
        "import sys, flowstone.io\n"
        "heavy = {'sqlalchemy', 'pyarrow', 'psycopg', 'pydantic'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "flowstone.io.MemoryIO\n"
        "heavy = {'sqlalchemy', 'pyarrow', 'psycopg'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
