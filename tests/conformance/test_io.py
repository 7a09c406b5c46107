"""Every IO manager keeps the same promises."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import flowstone.io
from flowstone.io import (
    S3IO,
    IOManager,
    ListsLocations,
    MemoryIO,
    ParquetIO,
    PostgresIO,
    SqliteIO,
    StoresMany,
    TakesEncoded,
    lives_in_process,
)
from flowstone.testing.conformance import CHECKS
from flowstone.testing.io_suite import round_trip

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5)
    ),
    max_leaves=20,
)


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
    assert isinstance(manager, ListsLocations)


def test_shared(tmp_path: Path) -> None:
    """Values in a bucket or a database are everyone's; a folder is, where it says so."""
    url = "postgresql://localhost/shop"
    shared = [S3IO("shop"), ParquetIO("s3://shop/lake"), PostgresIO(url)]
    assert not any(lives_in_process(manager) for manager in shared)
    alone = [MemoryIO(), SqliteIO(tmp_path / "v"), ParquetIO(tmp_path / "lake")]
    assert all(lives_in_process(manager) for manager in alone)
    assert not lives_in_process(ParquetIO(tmp_path / "lake", shared=True))


def test_silence_counts_as_shared() -> None:
    """A manager that does not say where its values live is taken to share them."""
    assert not lives_in_process(object())


def test_public_names() -> None:
    """All that is public can be imported."""
    names = flowstone.io.__all__
    assert sorted(names) == dir(flowstone.io)
    assert all(hasattr(flowstone.io, name) for name in names)
    assert not hasattr(flowstone.io, "Nothing")


def test_importing_costs_nothing() -> None:
    """Importing the package, or making a manager, brings no library it does not need."""
    code = (
        "import sys, flowstone.io\n"
        "some = {'sqlalchemy', 'pyarrow', 'psycopg', 'boto3', 'pandas', 'polars'}\n"
        "assert not {*some, 'pydantic'} & set(sys.modules)\n"
        "flowstone.io.MemoryIO()\n"
        "flowstone.io.S3IO('shop').encode({'a': [1]})\n"
        "flowstone.io.ParquetIO('s3://shop/lake').encode({'a': [1]})\n"
        "assert not some & set(sys.modules), some & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
