"""Callbacks over HTTP: endpoints side by side, workers that die, many that wait."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from flowstone import Client, Flowstone
from tests.apps import called
from tests.harness import ROOT, WorkerProcess, eventually, query, upgrade
from tests.unit.console.posting import JSON, Reply, get, send

pytestmark = [pytest.mark.service, pytest.mark.timeout(180)]

APP = "tests.apps.called:app"
BASE = "https://hooks.example.com"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where an app that is called back is served."""

    name: str
    url: str
    address: str
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            "CALLED_NAME": self.name,
            "CALLED_FOLDER": str(self.folder),
            "TEMPORAL_ADDRESS": self.address,
            "FLOWSTONE_LEDGER_URL": self.url,
            "FLOWSTONE_CALLBACK_URL": BASE,
            "FLOWSTONE_SERVE_RATE": "1000000",
        }

    @contextmanager
    def worker(self, **more: str) -> Generator[WorkerProcess]:
        worker = WorkerProcess(APP, self.folder, {**self.environment, **more})
        try:
            yield worker
        finally:
            worker.end()

    @contextmanager
    def endpoint(self) -> Generator[Endpoint]:
        words = ("-m", "flowstone.cli", "serve", APP, "--port", "0", "--json")
        process = subprocess.Popen(
            [sys.executable, *words],
            cwd=ROOT,
            env={**os.environ, **self.environment},
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            yield Endpoint(process=process, url=_said(process)["url"])
        finally:
            process.kill()
            process.communicate()

    def callback(self, key: object) -> str:
        """Wait for a callback URL, and give its path."""
        file = self.folder / f"{key}.url"
        eventually(file.exists, what=f"the URL of {key}")
        found = file.read_text()
        assert found.startswith(f"{BASE}/hooks/flowstone/signal/v1.test.")
        return urlsplit(found).path

    @property
    def app(self) -> Flowstone:
        return called.make_app(self.name, self.url)


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One of the endpoints, in a process of its own."""

    process: subprocess.Popen[str]
    url: str

    async def post(self, path: str, payload: object) -> Reply:
        body = json.dumps(payload).encode()
        return await asyncio.to_thread(send, f"{self.url}{path}", body, headers=JSON)


def _said(process: subprocess.Popen[str]) -> dict[str, str]:
    assert process.stdout is not None
    lines = ""
    for line in process.stdout:
        lines += line
        try:
            return json.loads(lines)
        except ValueError:
            continue
    raise AssertionError(f"the endpoint ended: {lines}")


@pytest.fixture
def place(tmp_path: Path, postgres_url: str, temporal_address: str) -> Place:
    upgrade(postgres_url)
    name = f"c-{tmp_path.name}".replace("_", "-").lower()[:40]
    return Place(name=name, url=postgres_url, address=temporal_address, folder=tmp_path)


async def waiting(stone: Client, many: int = 1) -> None:
    while len(await stone.gates.list()) < many:
        await asyncio.sleep(0.05)


async def test_of_fifty_deliveries_one_takes_effect(place: Place) -> None:
    """Through two endpoints at once: one answers, its like are fine, others learn."""
    with ExitStack() as stack:
        stack.enter_context(place.worker())
        one = stack.enter_context(place.endpoint())
        two = stack.enter_context(place.endpoint())
        async with place.app.connect(place.address) as stone:
            run = await stone.materialize(called.called, 1)
            path = place.callback(1)
            await waiting(stone)
            replies = await asyncio.gather(
                *((one, two)[n % 2].post(path, n % 10) for n in range(50))
            )
            value = await run.result()
            log = await stone.gates.deliveries()

    told = Counter((r.status, r.data["outcome"], n % 10) for n, r in enumerate(replies))
    lost = {(409, "refused", n): 5 for n in range(10) if n != value}
    assert told == {(200, "answered", value): 1, (200, "repeated", value): 4, **lost}
    assert Counter(d.outcome for d in log) == {
        "answered": 1,
        "repeated": 4,
        "refused": 45,
    }
    decided = "SELECT count(*) FROM flowstone_audit WHERE action = 'gate.decided'"
    assert query(place.url, decided) == [(1,)]
    assert (place.folder / "taken").read_text() == f"1={value}\n"


async def test_an_answer_is_taken_while_no_worker_lives(place: Place) -> None:
    """The worker is killed, the answer comes; the next worker finds it."""
    with ExitStack() as stack:
        endpoint = stack.enter_context(place.endpoint())
        async with place.app.connect(place.address) as stone:
            with place.worker() as doomed:
                run = await stone.materialize(called.called, 1)
                path = place.callback(1)
                await waiting(stone)
                doomed.process.kill()
                await asyncio.to_thread(doomed.wait_killed)
            reply = await endpoint.post(path, 5)
            other = await endpoint.post(path, 6)
            ready = await get(f"{endpoint.url}/health/ready")
            stack.enter_context(place.worker())
            value = await run.result()
            again = await endpoint.post(path, 5)

    assert (reply.status, other.status, again.status) == (200, 409, 200)
    assert ready.status == 200
    assert value == 5
    assert (place.folder / "taken").read_text() == "1=5\n"


async def test_whoever_waits_holds_no_slot(place: Place) -> None:
    """Two slots bear 200 runs at a gate, and one run at 200; all are answered (GAT-21)."""
    alone, keys = range(200), range(400)
    with ExitStack() as stack:
        stack.enter_context(place.worker(FLOWSTONE_WORKER_SLOTS="2"))
        endpoint = stack.enter_context(place.endpoint())
        async with place.app.connect(place.address) as stone:
            runs = await asyncio.gather(
                *(stone.materialize(called.called, key) for key in alone)
            )
            run = await stone.backfill(called.called, keys[200:], max_parallel=200)
            await waiting(stone, 400)
            beside = await stone.materialize(called.quick)
            assert await asyncio.wait_for(beside.result(), 20) == 1
            paths = [place.callback(key) for key in keys]
            room = asyncio.Semaphore(20)

            async def answer(key: int) -> list[int]:
                async with room:
                    replies = [await endpoint.post(paths[key], key) for _ in "12"]
                return [reply.status for reply in replies]

            statuses = await asyncio.gather(*(answer(key) for key in keys))
            report = await run.result()
            values = await asyncio.gather(*(one.result() for one in runs))

    assert {status for pair in statuses for status in pair} == {200}
    assert (values, report.succeeded) == ([*alone], 200)
    taken = (place.folder / "taken").read_text().splitlines()
    assert sorted(taken) == sorted(f"{key}={key}" for key in keys)


async def test_an_endpoint_ends_when_it_is_told(place: Place) -> None:
    """SIGTERM ends it politely; another one beside it goes on."""
    with place.endpoint() as one, place.endpoint() as two:
        one.process.send_signal(signal.SIGTERM)
        status = await asyncio.to_thread(one.process.wait, 30)
        live = await get(f"{two.url}/health/live")

    assert status == 0
    assert live.status == 200
