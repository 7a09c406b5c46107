"""Five hundred objects arrive at once, and the worker is killed: 500 runs, none twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flowstone.io.bucket import S3Access
from flowstone.stack import S3Server
from tests.apps.arrivals import make_app
from tests.harness import WorkerProcess, eventually, query, upgrade

pytestmark = [pytest.mark.service, pytest.mark.timeout(240)]

MANY = 500
ENDED = "SELECT count(*) FROM flowstone_runs WHERE status = 'succeeded'"


def put(server: S3Server, prefix: str, many: int) -> None:
    """Put objects below a prefix at once."""
    client = S3Access().completed(server.environment()).connect()
    bucket = server.environment()["FLOWSTONE_S3_BUCKET"]

    def put_one(number: int) -> None:
        key = f"{prefix}/{number:04}.txt"
        client.put_object(Bucket=bucket, Key=key, Body=b"%d" % number)

    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(put_one, range(many)))
    finally:
        client.close()


async def test_500_objects_and_a_kill_are_500_runs(
    tmp_path: Path,
    postgres_url: str,
    temporal_address: str,
    s3_server: S3Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before it records, after it has, and while it starts runs (SEN-07)."""
    name = f"a-{tmp_path.name}".replace("_", "-").lower()
    await asyncio.to_thread(put, s3_server, name, MANY)
    await asyncio.to_thread(upgrade, postgres_url)
    environment = {
        **s3_server.environment(),
        "ARRIVALS_NAME": name,
        "TEMPORAL_ADDRESS": temporal_address,
        "FLOWSTONE_LEDGER_URL": postgres_url,
    }
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    points = ("sensor.before", "sensor.after", "deliver.before:20")
    async with make_app(name).connect() as stone:
        await stone.schedules.apply()
        for point in points:
            await asyncio.to_thread(_killed_at, tmp_path, environment, point)
        worker = WorkerProcess("tests.apps.arrivals:app", tmp_path, environment)
        try:
            await asyncio.to_thread(
                lambda: eventually(
                    lambda: query(postgres_url, ENDED) == [(MANY,)],
                    within=150,
                    what="the end of all runs",
                )
            )
            await asyncio.sleep(2)
        finally:
            await stone.sensors.pause("arrivals")
            worker.end()

        [status] = await stone.sensors.list()
        ticks = await stone.sensors.ticks("arrivals", limit=500)

    keys = query(postgres_url, "SELECT key FROM flowstone_runs")
    assert sorted(str(k) for (k,) in keys) == [f"{n:04}" for n in range(MANY)]
    made = query(
        postgres_url, "SELECT key, count(*) FROM flowstone_versions GROUP BY 1"
    )
    assert len(made) == MANY
    assert {count for _, count in made} == {1}
    [first, *_] = [tick for tick in ticks if tick.started]
    assert (first.outcome, first.found, first.started) == ("triggered", MANY, MANY)
    assert len(set(first.runs)) == MANY
    assert Counter(t.started for t in ticks) == {MANY: 1, 0: len(ticks) - 1}
    assert status.state == "paused"


def _killed_at(folder: Path, environment: dict[str, str], point: str) -> None:
    """Have a worker serve until it reaches a point, which is the end of it."""
    crashing = {**environment, "FLOWSTONE_CRASH_AT": point}
    worker = WorkerProcess("tests.apps.arrivals:app", folder, crashing)
    try:
        worker.wait_killed()
    finally:
        worker.end()
