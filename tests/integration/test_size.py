"""Thousands of assets in a run: equal values, bounded payloads, replayable histories.

How long they take, and five thousand without packs, is `dev/bench size`'s to tell.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory

from dev.benchmarks.filled import APP, fill
from dev.benchmarks.histories import largest_payloads, read_chain, replay
from dev.benchmarks.many import make_app, peak_mib
from flowstone import Client
from flowstone.engines.temporal.connect import connect_client
from flowstone.io import encode
from flowstone.stack import TemporalServer
from tests.harness import ROOT, WorkerProcess, query, upgrade

pytestmark = [
    pytest.mark.service,
    pytest.mark.timeout(300),
    # They share a server, and together they would only wait for each other.
    pytest.mark.xdist_group("size"),
]

LARGEST_PAYLOAD = 64 * 1024
LARGEST_SKELETON = 256 * 1024
SUGGESTED = 1_000
"""Events after which the server suggests to continue as new."""
MOST_MIB = 400


@pytest.fixture(scope="module")
def temporal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve a Temporal whose histories are soon full."""
    config = {"limit.historyCount.suggestContinueAsNew": SUGGESTED}
    folder = tmp_path_factory.mktemp("temporal")
    server = TemporalServer(folder, ui=False, dynamic_config=config)
    try:
        server.start()
        yield server.address
    finally:
        server.remove()


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A ledger, a Temporal, and a worker for one app on them."""

    url: str
    address: str
    worker: WorkerProcess
    environment: Mapping[str, str]

    def make(self, key: str, packs: str) -> dict[str, object]:
        """Make all assets at a key, by a client in a process of its own."""
        command = [sys.executable, "-m", "dev.benchmarks.many_served", key, packs]
        told = subprocess.check_output(command, env=self.environment, cwd=ROOT)
        return json.loads(told)

    def digests(self) -> dict[str, str]:
        """Give the digest of each version that a run has made, by its asset."""
        rows = query(
            self.url,
            "SELECT asset, digest FROM flowstone_versions WHERE run NOT LIKE 'run-%'",
        )
        found = {str(asset).partition("/")[2]: str(digest) for asset, digest in rows}
        assert len(found) == len(rows)
        return found

    async def histories(self, workflow: object) -> list[WorkflowHistory]:
        """Give the histories of a workflow, of each run of its chain."""
        return await read_chain(await connect_client(self.address), str(workflow))


@contextmanager
def staged(
    shape: str, size: int, url: str, address: str, folder: Path
) -> Generator[Stage]:
    """Serve an app of so many assets."""
    given = {
        "MANY_NAME": APP,
        "MANY_SHAPE": shape,
        "MANY_SIZE": str(size),
        "FLOWSTONE_LEDGER_URL": url,
        "TEMPORAL_ADDRESS": address,
        "PYTHONPATH": str(ROOT),
    }
    worker = WorkerProcess("dev.benchmarks.many_served:app", folder, given)
    try:
        worker.wait_ready()
        environment = {**os.environ, **given}
        yield Stage(url=url, address=address, worker=worker, environment=environment)
    finally:
        worker.end()


def tell(text: str) -> None:
    """Say something that is shown with `pytest -rP`."""
    print(text)  # noqa: T201


def grid_digests(size: int) -> dict[str, str]:
    """Give what the assets of a grid come to, by a loop."""
    values = list(range(100))
    for number in range(100, size - 1):
        values.append((values[number - 100] + values[number - 99]) % 1_000_003)
    named = {f"asset_{number:05}": value for number, value in enumerate(values)}
    named["total"] = sum(values[-100:])
    return {name: encode(value).digest for name, value in named.items()}


async def check_histories(histories: Sequence[WorkflowHistory]) -> None:
    """Replay histories, and see that nothing large is in them."""
    await replay(histories)
    payload, skeleton = largest_payloads(histories)
    tell(
        f"{len(histories)} runs, {sum(len(h.events) for h in histories):,} events, "
        f"largest payload {payload:,} bytes, skeleton {skeleton:,} bytes"
    )
    assert 0 < payload <= LARGEST_PAYLOAD
    assert payload < skeleton <= LARGEST_SKELETON


async def test_five_thousand_assets_with_packs(
    postgres_url: str, temporal: str, tmp_path: Path
) -> None:
    """Known to be short, 5,000 assets share few activities, and make what they make."""
    fill(postgres_url, keys=1, assets=5_000, reads=0, runs=0)

    with staged("grid", 5_000, postgres_url, temporal, tmp_path) as stage:
        made = stage.make("packed", "auto")
        worker = peak_mib(stage.worker.process.pid)

    assert stage.digests() == grid_digests(5_000)
    histories = await stage.histories(made["workflow"])
    await check_histories(histories)
    client = int(str(made["client_mib"]))
    tell(f"{made['seconds']} s; at most {worker} MiB in the worker, {client} client")
    assert max(worker, client) < MOST_MIB


async def test_twelve_hundred_assets_without_packs(
    postgres_url: str, temporal: str, tmp_path: Path
) -> None:
    """One activity for each asset, three times continued as new: the same values."""
    upgrade(postgres_url)

    with staged("grid", 1_200, postgres_url, temporal, tmp_path) as stage:
        made = stage.make("alone", "off")
        worker = peak_mib(stage.worker.process.pid)

    found = stage.digests()
    assert found == grid_digests(1_200)
    # As with packs: what is in both graphs has the same digest there.
    same = grid_digests(5_000).items() & found.items()
    assert len(same) >= 1_199
    histories = await stage.histories(made["workflow"])
    assert len(histories) >= 4
    assert max(len(h.events) for h in histories) <= 2 * SUGGESTED
    await check_histories(histories)
    tell(f"{made['seconds']} s; at most {worker} MiB in the worker")
    assert worker < MOST_MIB


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a run leaves behind, whichever engine drives it."""

    value: object
    values: Mapping[str, object]
    upstream: list[tuple[str, int]]
    downstream: list[tuple[str, int]]
    events: Counter[tuple[str, str, str, str]]


async def seen(stone: Client, target: str, key: str) -> Seen:
    """Make a target with all that it needs, and look at what there is."""
    run = await stone.materialize_all(target, key)
    value = await run.result()
    lineage = stone.lineage
    return Seen(
        value=value,
        values={a.name: await stone.value(a, key) for a in stone.pipeline},
        upstream=[(e.asset, e.depth) for e in await lineage.upstream(target, key)],
        downstream=[
            (e.asset, e.depth) for e in await lineage.impact("asset_00000", key)
        ],
        events=Counter((e.name, e.asset, e.key, e.outcome) for e in await run.events()),
    )


@pytest.mark.parametrize("shape", ["fan", "chain"])
async def test_a_thousand_assets_are_the_same_in_both_engines(
    shape: str, postgres_url: str, temporal: str, tmp_path: Path
) -> None:
    """A fan of 1,000 and a chain of 1,000: values, lineage and events are equal."""
    fill(postgres_url, keys=1, assets=1_000, reads=0, runs=0)
    app, target = make_app(APP, shape, 1_000)
    async with app.local() as stone:
        here = await seen(stone, target, "k")

    app, target = make_app(APP, shape, 1_000, postgres_url)
    with staged(shape, 1_000, postgres_url, temporal, tmp_path):
        async with app.connect(temporal) as stone:
            there = await seen(stone, target, "k")

    assert here == there
    assert len(there.values) == 1_000
    assert there.value == (999 if shape == "chain" else 998 * 999 // 2)
    far = [depth for _, depth in there.upstream]
    assert far == (list(range(1, 1_000)) if shape == "chain" else [1] * 999)
    assert len(there.downstream) == (999 if shape == "chain" else 1)
