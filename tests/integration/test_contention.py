"""Many at once: nothing is made twice, nothing hangs, nothing is left behind."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError
from temporalio.client import WorkflowHandle

from flowstone import AlreadyRunning, AssetFailed, Client, RunCancelled
from flowstone.engines.temporal import backend
from flowstone.ledger.base import RunRow
from flowstone.ledger.run_reader import RunReader
from tests.apps import crashy
from tests.harness import WorkerProcess, query, upgrade

pytestmark = [pytest.mark.service, pytest.mark.timeout(180)]

APP = "tests.apps.crashy:app"


@pytest.fixture
def name() -> str:
    return f"t-{secrets.token_hex(4)}"


@pytest.fixture
async def stone(
    name: str, tmp_path: Path, postgres_url: str, temporal_address: str
) -> AsyncIterator[Client]:
    """Connect to an app of its own, served by a worker of its own."""
    upgrade(postgres_url)
    worker = WorkerProcess(
        APP,
        tmp_path,
        {
            "CRASHY_NAME": name,
            "CRASHY_LOG": str(tmp_path / "ran"),
            "TEMPORAL_ADDRESS": temporal_address,
            "FLOWSTONE_LEDGER_URL": postgres_url,
            "FLOWSTONE_WORKER_SWEEP_SECONDS": "1",
        },
    )
    try:
        app = crashy.make_app(name, postgres_url)
        async with app.connect(temporal_address) as client:
            yield client
    finally:
        worker.end()


async def test_runs_that_share_upstream_make_it_once(
    stone: Client, postgres_url: str
) -> None:
    """Two runs that need the same assets make each of them once (EXE-13)."""

    async def pair(number: int) -> None:
        one, two = await asyncio.gather(
            stone.materialize_all(crashy.last, number),
            stone.materialize_all(crashy.dashboard, number),
        )
        assert await one.result() == crashy.MADE
        assert await two.result() == "first/second/third"

    for begin in range(0, 50, 10):
        await asyncio.gather(*(pair(n) for n in range(begin, begin + 10)))

    twice = query(
        postgres_url,
        "SELECT asset, key FROM flowstone_versions GROUP BY 1, 2 HAVING count(*) > 1",
    )
    assert twice == []
    assert query(postgres_url, "SELECT * FROM flowstone_claims") == []
    assert query(postgres_url, "SELECT count(*) FROM flowstone_versions") == [(300,)]


async def test_equal_starts_are_one_run(stone: Client) -> None:
    """Fifty equal starts at once are one run with one id; another one is refused."""

    async def different() -> None:
        with pytest.raises(AlreadyRunning, match="asked for"):
            await stone.materialize_all(
                crashy.last, "2025-02-01", key="mine", policy="always"
            )

    first = await stone.materialize_all(crashy.last, "2025-02-01", key="mine")
    runs = await asyncio.gather(
        *(
            stone.materialize_all(crashy.last, "2025-02-01", key="mine")
            for _ in range(49)
        ),
        different(),
    )

    assert {run.id for run in runs if run is not None} == {first.id}
    assert await first.result() == crashy.MADE


async def test_equal_starts_without_a_key_join_what_runs(stone: Client) -> None:
    """Fifty equal starts of what takes a while are joined to one run."""
    runs = await asyncio.gather(
        *(stone.materialize_all(crashy.hopeless, "2025-02-02") for _ in range(50)),
    )

    assert len({run.id for run in runs}) == 1
    with pytest.raises(AlreadyRunning):
        await stone.materialize_all(crashy.hopeless, "2025-02-02", policy="always")
    await runs[0].cancel()


async def test_attempts_count_failures_of_the_function(
    stone: Client, tmp_path: Path
) -> None:
    """A function with three attempts that always raises is called three times."""
    run = await stone.materialize(crashy.hopeless, "2025-02-03")

    with pytest.raises(AssetFailed, match="after 3 attempts: ValueError: it never"):
        await run.result()
    assert (tmp_path / "ran").read_text().split() == ["hopeless"] * 3


async def test_a_workflow_ended_by_hand_leaves_nothing_that_hangs(
    stone: Client, postgres_url: str, temporal_address: str, name: str
) -> None:
    """When somebody terminates the workflow, the run ends and what it held is free."""
    from flowstone.engines.temporal.connect import connect_client

    run = await stone.materialize_all(crashy.hopeless, "2025-02-04")
    temporal = await connect_client(temporal_address)
    await temporal.get_workflow_handle(
        f"flowstone/{name}/hopeless@'2025-02-04'"
    ).terminate()

    with pytest.raises(RunCancelled, match="ended from outside|workflow is gone"):
        await run.result()
    assert await run.status() == "terminated"
    assert query(postgres_url, "SELECT * FROM flowstone_claims") == []
    again = await stone.materialize_all(crashy.last, "2025-02-04")
    assert await again.result() == crashy.MADE


async def test_whoever_is_not_told_of_an_end_asks(
    stone: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that forgets to say that a run has ended keeps nobody waiting.

    Nor does a ledger that is away just when it is asked.
    """
    asked: list[str] = []
    get = RunReader.get

    async def never(_: object) -> None:
        await asyncio.Event().wait()

    def get_later(reader: RunReader, run: str) -> RunRow | None:
        asked.append(run)
        if len(asked) == 1:
            raise DBAPIError(None, None, OSError("away"))
        return get(reader, run)

    monkeypatch.setattr(WorkflowHandle, "result", never)
    monkeypatch.setattr(backend, "_FIRST_LOOK", 0.2)
    run = await stone.materialize_all(crashy.last, 1)
    monkeypatch.setattr(RunReader, "get", get_later)

    assert (await asyncio.wait_for(run.wait(), 30)).status == "succeeded"
    assert len(asked) > 1
