"""Servers that are killed come back, and runs go on where they were."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from flowstone.stack import PostgresServer, TemporalServer
from tests.apps import crashy
from tests.harness import ROOT, WorkerProcess, eventually, query, upgrade

pytestmark = [pytest.mark.service, pytest.mark.timeout(180)]

DAY = "2025-01-15"
APP = "tests.apps.crashy:app"


def environment(
    name: str, url: str, address: str, folder: Path, **more: str
) -> dict[str, str]:
    return {
        "CRASHY_NAME": name,
        "CRASHY_LOG": str(folder / "ran"),
        "TEMPORAL_ADDRESS": address,
        "FLOWSTONE_LEDGER_URL": url,
        **more,
    }


def one_each(name: str, url: str) -> bool:
    found = query(
        url,
        "SELECT count(*), count(DISTINCT asset) FROM flowstone_versions "
        "WHERE asset LIKE %s",
        f"{name}/%",
    )
    return found == [(5, 5)]


async def test_a_killed_temporal_repeats_nothing_that_is_committed(
    tmp_path: Path, postgres_url: str
) -> None:
    """When Temporal is killed in a run, the run goes on from where it was."""
    server = TemporalServer(tmp_path / "temporal", ui=False)
    await asyncio.to_thread(server.start)
    upgrade(postgres_url)
    told = environment(
        "outage", postgres_url, server.address, tmp_path, CRASHY_SLOW_IN="second:2"
    )
    worker = WorkerProcess(APP, tmp_path, told).wait_ready()
    try:
        app = crashy.make_app("outage", postgres_url)
        async with app.connect(server.address) as stone:
            run = await stone.materialize_all(crashy.last, DAY)
            await asyncio.to_thread(
                lambda: eventually(
                    lambda: (
                        (tmp_path / "ran").exists()
                        and "second" in (tmp_path / "ran").read_text()
                    )
                )
            )
            await asyncio.to_thread(server.kill)
            await asyncio.sleep(1)
            await asyncio.to_thread(server.start)

            assert await run.result() == crashy.MADE
            assert one_each("outage", postgres_url)
    finally:
        worker.end()
        await asyncio.to_thread(server.remove)


async def test_a_killed_postgres_loses_nothing_that_was_acknowledged(
    tmp_path: Path, temporal_address: str
) -> None:
    """When Postgres is killed in a run, steps wait for it and the run ends well."""
    server = PostgresServer(tmp_path / "postgres")
    await asyncio.to_thread(server.start)
    url = server.url
    upgrade(url)
    told = environment(
        "amnesia", url, temporal_address, tmp_path, CRASHY_SLOW_IN="third:2"
    )
    worker = WorkerProcess(APP, tmp_path, told).wait_ready()
    try:
        app = crashy.make_app("amnesia", url)
        async with app.connect(temporal_address) as stone:
            run = await stone.materialize_all(crashy.last, DAY)
            await asyncio.to_thread(
                lambda: eventually(
                    lambda: (
                        (tmp_path / "ran").exists()
                        and "third" in (tmp_path / "ran").read_text()
                    )
                )
            )
            before = query(url, "SELECT id FROM flowstone_versions ORDER BY id")
            await asyncio.to_thread(server.kill)
            await asyncio.sleep(2)
            await asyncio.to_thread(server.start)

            assert await run.result() == crashy.MADE
            after = query(url, "SELECT id FROM flowstone_versions ORDER BY id")
            assert set(before) <= set(after)
            assert one_each("amnesia", url)
    finally:
        worker.end()
        await asyncio.to_thread(server.remove)


CLIENT = """
import asyncio, os
from tests.apps import crashy

async def main():
    app = crashy.make_app(os.environ["CRASHY_NAME"], os.environ["FLOWSTONE_LEDGER_URL"])
    async with app.connect() as stone:
        run = await stone.materialize_all(crashy.last, "2025-01-15", key="mine")
        print(run.id, flush=True)

asyncio.run(main())
os._exit(0)
"""


@pytest.mark.parametrize("point", ["start.before", "start.after"])
@pytest.mark.parametrize("again", ["the same call", "the sweeper"])
async def test_a_client_killed_while_it_starts_a_run_starts_it_once(
    tmp_path: Path, postgres_url: str, temporal_address: str, point: str, again: str
) -> None:
    """A run whose client died is started by the same call again, or by a worker."""
    upgrade(postgres_url)
    name = f"client-{point.replace('.', '-')}-{again.split()[1]}"
    told = environment(
        name,
        postgres_url,
        temporal_address,
        tmp_path,
        FLOWSTONE_WORKER_SWEEP_SECONDS="1",
    )
    died = await asyncio.to_thread(
        lambda: subprocess.run(
            [sys.executable, "-c", CLIENT],
            cwd=ROOT,
            env={**_inherited(), **told, "FLOWSTONE_CRASH_AT": f"{point}:1"},
            check=False,
            timeout=60,
        )
    )
    assert died.returncode == -signal.SIGKILL
    worker = WorkerProcess(APP, tmp_path, told)
    try:
        app = crashy.make_app(name, postgres_url)
        async with app.connect(temporal_address) as stone:
            [row] = await stone.runs.list()
            if again == "the same call":
                run = await stone.materialize_all(crashy.last, DAY, key="mine")
            else:
                run = await stone.runs.get(row.id)
                status = await _settled(postgres_url, row.id)
                assert status == "succeeded"

            assert run.id == row.id
            assert await run.result() == crashy.MADE
            assert one_each(name, postgres_url)
            assert len(await stone.runs.list()) == 1
    finally:
        worker.end()


async def _settled(url: str, run: str) -> object:
    for _ in range(600):
        [(status,)] = query(url, "SELECT status FROM flowstone_runs WHERE id = %s", run)
        if status not in {"starting", "running"}:
            return status
        await asyncio.sleep(0.1)
    return "still running"


def _inherited() -> dict[str, str]:
    import os

    return dict(os.environ)


async def test_a_worker_killed_in_a_backfill_leaves_no_partition_out_or_twice(
    tmp_path: Path, postgres_url: str, temporal_address: str
) -> None:
    """A backfill whose worker is killed ends with each partition made once (API-38)."""
    upgrade(postgres_url)
    told = environment("halfway", postgres_url, temporal_address, tmp_path)
    doomed = WorkerProcess(
        APP, tmp_path, {**told, "FLOWSTONE_CRASH_AT": "commit.before:4"}
    )
    workers = [doomed]
    try:
        app = crashy.make_app("halfway", postgres_url)
        async with app.connect(temporal_address) as stone:
            run = await stone.backfill(crashy.last, range(30), max_parallel=3)
            await asyncio.to_thread(doomed.wait_killed)
            workers.append(WorkerProcess(APP, tmp_path, told))
            report = await run.result()

        assert report.succeeded == 30
        assert query(
            postgres_url,
            "SELECT count(*), count(DISTINCT (asset, key)) FROM flowstone_versions",
        ) == [(150, 150)]
    finally:
        for worker in workers:
            worker.end()
