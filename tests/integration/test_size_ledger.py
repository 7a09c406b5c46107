"""A ledger of a million edges answers from its indexes, and from few pages of them.

How long it takes is `dev/bench size`'s to tell; here is counted what has to be read.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, event

from dev.benchmarks.filled import APP, fill
from dev.benchmarks.many import make_app
from dev.benchmarks.servers import libpq_url
from flowstone import Flowstone
from tests.harness import query

pytestmark = [
    pytest.mark.service,
    pytest.mark.timeout(240),
    # What is filled once is read by all of them.
    pytest.mark.xdist_group("size-ledger"),
]

ASSETS, KEYS, READS = 1_000, 101, 10
OLD_RUNS = 20_000
KEY = 50
FIRST, MIDDLE, LAST = "asset_00000", "asset_00500", "asset_00999"
LARGE = {
    f"flowstone_{table}"
    for table in ("versions", "pointers", "input_members", "attempts", "run_nodes")
} | {"flowstone_runs", "flowstone_values"}


@dataclass
class Plans:
    """How Postgres goes about what was asked.

    Attributes:
        scanned: the large tables that were read from end to end.
        indexes: the indexes that were used.
        pages: how many pages were read, of tables and indexes, in memory or not.
    """

    scanned: set[str] = field(default_factory=set[str])
    indexes: set[str] = field(default_factory=set[str])
    pages: int = 0

    def take(self, plan: Mapping[str, Any]) -> None:
        """Take in a part of a plan, and what is below it."""
        if plan["Node Type"].endswith("Seq Scan"):
            self.scanned |= LARGE & {plan["Relation Name"]}
        if "Index Name" in plan:
            self.indexes.add(plan["Index Name"])
        for below in plan.get("Plans", ()):
            self.take(below)


@pytest.fixture(scope="module")
def app(module_postgres_url: str) -> Flowstone:
    """Give an app whose ledger has a million edges."""
    fill(module_postgres_url, keys=KEYS, assets=ASSETS, reads=READS, runs=OLD_RUNS)
    count = "SELECT count(*) FROM flowstone_input_members"
    assert query(module_postgres_url, count) == [(1_004_445,)]
    found, last = make_app(APP, "chain", ASSETS, module_postgres_url)
    assert last == LAST
    return found


@contextmanager
def explained(app: Flowstone, url: str) -> Generator[Plans]:
    """Explain all that is asked of an app's ledger meanwhile."""
    assert app.ledger is not None
    engine: Engine = app.ledger.database.dialect.engine
    asked: list[tuple[str, Any]] = []

    def note(*given: Any) -> None:
        asked.append((given[2], given[3]))

    plans = Plans()
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield plans
    finally:
        event.remove(engine, "before_cursor_execute", note)
    with psycopg.connect(libpq_url(url)) as conn:
        for statement, parameters in asked:
            if "set_config" in statement:
                conn.execute(statement.encode(), parameters)
                continue
            explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}"
            row = conn.execute(explain.encode(), parameters).fetchone()
            assert row is not None
            plan = row[0][0]["Plan"]
            plans.take(plan)
            plans.pages += plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    assert asked
    assert plans.scanned == set()


def steps(asset: str, other: str) -> int:
    """Tell how far two assets are from each other, each reading the ten before it."""
    return -(-abs(int(asset[-5:]) - int(other[-5:])) // READS)


async def test_lineage_is_found_by_indexes(
    app: Flowstone, module_postgres_url: str
) -> None:
    """Up and down 999 versions through 9,945 edges, among a million (LIN-06)."""
    async with app.local() as stone:
        for ask, start in (
            (stone.lineage.upstream, LAST),
            (stone.lineage.downstream, FIRST),
            (stone.lineage.impact, FIRST),
        ):
            with explained(app, module_postgres_url) as plans:
                found = await ask(start, KEY)

            assert len({entry.asset for entry in found}) == len(found) == ASSETS - 1
            assert all(e.depth == steps(e.asset, start) for e in found)
            assert all(e.partition == KEY and e.current for e in found)
            assert "flowstone_versions_id_key" in plans.indexes
            # A few pages for each edge, and never those of another key's.
            assert plans.pages < 150_000


async def test_near_lineage_costs_little(
    app: Flowstone, module_postgres_url: str
) -> None:
    """Who asks for three steps pays for three steps."""
    async with app.local() as stone:
        with explained(app, module_postgres_url) as plans:
            up = await stone.lineage.upstream(LAST, KEY, depth=3)
            down = await stone.lineage.downstream(MIDDLE, KEY, depth=3)

    assert len(up) == len(down) == 3 * READS
    assert {e.depth for e in (*up, *down)} == {1, 2, 3}
    assert plans.pages < 10_000


async def test_a_value_and_how_it_stands_are_found_at_once(
    app: Flowstone, module_postgres_url: str
) -> None:
    """Status and value look up their rows, however many there are beside."""
    async with app.local() as stone:
        with explained(app, module_postgres_url) as plans:
            status = await stone.status(MIDDLE, KEY)
            value = await stone.value(MIDDLE, KEY)
            exists = await stone.exists(MIDDLE, KEYS + 1)

    assert (status.state, value, exists) == ("fresh", 7, False)
    assert plans.pages < 60


@pytest.mark.parametrize(
    ("asset", "status"), [(None, ""), (LAST, ""), (FIRST, ""), (None, "failed")]
)
async def test_the_newest_runs_are_found_at_once(
    app: Flowstone, module_postgres_url: str, asset: str | None, status: str
) -> None:
    """The newest fifty of twenty thousand runs, of all or of some."""
    async with app.local() as stone:
        with explained(app, module_postgres_url) as plans:
            runs = await stone.runs.list(asset=asset, status=status)

    made = [run.created_at for run in runs if run.created_at]
    assert made == sorted(made, reverse=True)
    assert len(made) == 50
    assert plans.pages < 200
