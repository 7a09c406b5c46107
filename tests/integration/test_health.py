"""Resources of workers, and the health of all that an app on Temporal runs on."""

from __future__ import annotations

import asyncio
import json
import secrets
import signal
import urllib.error
import urllib.request
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.service import RPCError

from flowstone import (
    Client,
    ConfigurationError,
    Flowstone,
    ResourceUnavailable,
    SqlLedger,
)
from flowstone.engines.temporal.connect import connect_client
from flowstone.stack import PostgresServer
from flowstone.stack.ports import free_port
from tests.apps import lender
from tests.harness import WorkerProcess, eventually, query, upgrade
from tests.unit.cli.typed import shell

pytestmark = [pytest.mark.service, pytest.mark.timeout(120)]

APP = "tests.apps.lender:app"


@dataclass
class Shop:
    """An app of the lender's, with a name, a ledger and a log of its own."""

    name: str
    url: str
    address: str
    folder: Path

    @property
    def log(self) -> list[str]:
        """What resources have said, without who said it."""
        file = self.folder / "log"
        return [line.split(" ", 1)[1] for line in self.lines(file)]

    @property
    def processes(self) -> set[str]:
        """Who has said something."""
        return {line.split()[0] for line in self.lines(self.folder / "log")}

    def lines(self, file: Path) -> list[str]:
        """Read a file that may not be there."""
        return file.read_text().splitlines() if file.exists() else []

    def told(self, **more: str) -> dict[str, str]:
        """Give what a process needs to know."""
        return {
            "TEMPORAL_ADDRESS": self.address,
            "FLOWSTONE_LEDGER_URL": self.url,
            "LENDER_NAME": self.name,
            "LENDER_LOG": str(self.folder / "log"),
            **more,
        }

    @asynccontextmanager
    async def working(self, **more: str) -> AsyncGenerator[WorkerProcess]:
        """Have a worker."""
        worker = WorkerProcess(APP, self.folder, self.told(**more))
        try:
            await asyncio.to_thread(worker.wait_ready)
            yield worker
        finally:
            await asyncio.to_thread(worker.end)

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Client]:
        """Open the app."""
        app = Flowstone(
            self.name,
            lender.PIPELINE,
            ledger=SqlLedger(self.url),
            resources=lender.app.resources,
        )
        async with app.connect(self.address) as stone:
            yield stone


@pytest.fixture
def shop(
    tmp_path: Path,
    postgres_url: str,
    temporal_address: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Shop:
    """Give an app that no other test has."""
    upgrade(postgres_url)
    found = Shop(
        f"shop-{secrets.token_hex(4)}", postgres_url, temporal_address, tmp_path
    )
    monkeypatch.setenv("LENDER_LOG", found.told()["LENDER_LOG"])
    return found


# --- resources ----------------------------------------------------------------------


async def test_a_worker_opens_once_and_closes_in_reverse(shop: Shop) -> None:
    """Runs share what their worker has opened; it closes when the worker ends."""
    async with shop.working() as worker, shop.open() as stone:
        for key in ("eu", "us"):
            run = await stone.materialize_all(lender.doubled, key)
            assert await run.result() == 2 * len(lender.URL)
        assert shop.log == ["open warehouse", "open pool"]

        worker.process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(worker.process.wait, 30)

    assert shop.log[2:] == ["close pool", "close warehouse"]
    assert shop.processes == {str(worker.process.pid)}


async def test_another_worker_does_what_one_cannot_open(shop: Shop) -> None:
    """An attempt that lacks its resource is left to a worker that has it."""
    async with shop.working(LENDER_OPEN="no") as poor, shop.open() as stone:
        run = await stone.materialize(lender.rows)
        await _until(lambda: "does not open" in poor.log)
        async with shop.working() as rich:
            assert await run.result() == len(lender.URL)
        events = [e.name for e in await run.events()]

    assert "flowstone.resources.setup_failed" in events
    assert "flowstone.materialization.exception" not in events
    assert shop.processes == {str(rich.process.pid)}


async def test_no_history_has_what_a_resource_is(shop: Shop) -> None:
    """Neither a good run nor one that failed tells Temporal of a resource's secrets."""
    limit = {"FLOWSTONE_RESOURCE_ATTEMPTS": "1"}
    async with shop.open() as stone:
        async with shop.working():
            await (await stone.materialize(lender.rows, "good")).result()
        async with shop.working(LENDER_OPEN="no", **limit) as poor:
            outcome = await (await stone.materialize(lender.rows, "bad")).wait()
    client = await connect_client(shop.address)
    seen = b""
    for key in ("good", "bad"):
        handle = client.get_workflow_handle(f"flowstone/{shop.name}/rows@{key}")
        history = await handle.fetch_history()
        seen += b"".join(event.SerializeToString() for event in history.events)

    assert isinstance(outcome.error, ResourceUnavailable)
    assert b"is closed" in seen  # the error itself crosses
    assert lender.SECRET.encode() not in seen
    assert lender.SECRET not in str(outcome.error.to_data()) + poor.log
    kept = query(
        shop.url, "SELECT count(*) FROM flowstone_attempts WHERE error IS NULL"
    )
    assert kept == [(1,)]


# --- health -------------------------------------------------------------------------


async def test_health_tells_whether_anybody_serves(shop: Shop) -> None:
    """Without a worker an app on Temporal is not well; with one each part is ok."""
    async with shop.open() as stone:
        alone = await stone.health()
        async with shop.working():
            served = await stone.health()
            for _ in range(100):  # Temporal tells of pollers a while after they came
                if served.healthy:
                    break
                await asyncio.sleep(0.2)
                served = await stone.health()

    [workers] = [c for c in alone if c.kind == "workers"]
    assert (workers.state, alone.healthy) == ("failing", False)
    assert f"No worker polls flowstone.{shop.name}" in workers.problem
    assert "flowstone worker" in workers.remedy
    assert {c.name: c.state for c in served} == {
        "ledger": "ok",
        "temporal": "ok",
        "search attributes": "ok",
        f"flowstone.{shop.name}": "ok",
        "default": "ok",
        "warehouse": "ok",
        "pool": "ok",
    }
    assert all(c.latency is not None for c in served)


async def test_the_sync_client_tells_the_same(shop: Shop) -> None:
    """Health is asked without `await` too."""
    app = Flowstone(shop.name, lender.PIPELINE, resources=lender.app.resources)

    def ask() -> dict[str, str]:
        with app.local().sync() as stone:
            return {c.name: c.state for c in stone.health()}

    assert await asyncio.to_thread(ask) == {
        "ledger": "ok",
        "engine": "ok",
        "default": "ok",
        "warehouse": "ok",
        "pool": "ok",
    }


async def test_a_ledger_that_may_forget_is_a_warning(shop: Shop) -> None:
    """Where a commit is acknowledged before it is safe, health warns."""
    name = shop.url.rpartition("/")[2]
    async with shop.open() as stone:
        before = (await stone.health())["ledger"]
    command(shop.url, f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    async with shop.open() as stone:
        after = (await stone.health())["ledger"]

    assert before.state == "ok"
    assert after.state == "warning"
    assert after.problem == (
        "a crash may lose what was acknowledged: synchronous_commit is off"
    )


async def test_a_schema_that_is_too_old_is_told_by_the_doctor(
    shop: Shop, postgres_url: str
) -> None:
    """A ledger without tables hides neither Temporal nor the resources."""
    command(postgres_url, "DROP TABLE flowstone_schema")
    said = await asyncio.to_thread(shell, "doctor", APP, "--json", env=shop.told())
    found = {c["name"]: c for c in said.data["components"]}

    assert said.status == 1
    assert "has no tables yet" in found["ledger"]["problem"]
    assert found["ledger"]["remedy"] == "`flowstone db upgrade`"
    assert found["temporal"]["state"] == "ok"
    assert found["warehouse"]["state"] == "ok"


async def test_the_doctor_creates_the_search_attributes(shop: Shop) -> None:
    """`--register` creates what a namespace lacks, once."""
    client = await connect_client(shop.address)
    await client.workflow_service.register_namespace(
        RegisterNamespaceRequest(
            namespace=shop.name,
            workflow_execution_retention_period=Duration(seconds=86_400),
        )
    )
    env = shop.told(TEMPORAL_NAMESPACE=shop.name)

    def doctor(*words: str) -> Mapping[str, Any]:
        data: Mapping[str, Any] = shell("doctor", APP, *words, "--json", env=env).data
        return data

    def attributes(data: Mapping[str, Any]) -> Mapping[str, Any]:
        [found] = [c for c in data["components"] if c["name"] == "search attributes"]
        return found

    await _until_async(lambda: _is_there(shop.address, shop.name))
    before = await asyncio.to_thread(doctor)
    created = await asyncio.to_thread(doctor, "--register")
    again = await asyncio.to_thread(doctor, "--register")

    assert attributes(before)["state"] == "warning"
    assert "--register" in attributes(before)["remedy"]
    assert created["registered"] == ["FlowstoneAsset", "FlowstonePartition"]
    assert attributes(created)["state"] == "ok"
    assert again["registered"] == []


# --- probes -------------------------------------------------------------------------


async def test_readiness_names_each_component_with_its_latency(
    tmp_path: Path, temporal_address: str
) -> None:
    """A worker is ready where it polls and all is well, and says of each how (RES-16)."""
    server, port = PostgresServer(tmp_path / "postgres"), free_port(but=set())
    await asyncio.to_thread(server.start)
    upgrade(server.url)
    shop = Shop(f"probed-{port}", server.url, temporal_address, tmp_path)
    more = {"FLOWSTONE_WORKER_HEALTH_PORT": str(port)}
    try:
        async with shop.working(**more), shop.open() as stone:
            before = await _ready(port)
            assert before["ready"] is True
            assert _states(before) == {
                "ledger": "ok",
                "temporal": "ok",
                f"flowstone.{shop.name}": "ok",
            }
            assert all(c["latency_ms"] > 0 for c in before["components"])

            await (await stone.materialize_all(lender.doubled)).result()
            await asyncio.sleep(2.1)  # what was found is given again for two seconds
            _, opened = await _probe(port, "readyz")
            assert _states(opened)["warehouse"] == _states(opened)["pool"] == "ok"

            await asyncio.to_thread(server.kill)
            await asyncio.sleep(2.1)
            status, after = await _probe(port, "readyz")
            assert (status, after["ready"]) == (503, False)
            assert _states(after)["ledger"] == "failing"
            assert _states(after)["temporal"] == "ok"
            assert await _probe(port, "healthz") == (200, {"alive": True})
            assert (await _probe(port, "elsewhere"))[0] == 404
            await asyncio.to_thread(server.start)
    finally:
        await asyncio.to_thread(server.remove)


async def test_a_sick_resource_makes_a_worker_unready(shop: Shop) -> None:
    """A resource that says that it is not well counts once it is open."""
    port = free_port(but=set())
    more = {"FLOWSTONE_WORKER_HEALTH_PORT": str(port), "LENDER_HEALTH": "overloaded"}
    async with shop.working(**more), shop.open() as stone:
        await _ready(port)
        await (await stone.materialize(lender.rows)).result()
        await asyncio.sleep(2.1)
        status, data = await _probe(port, "readyz")

    assert status == 503
    [sick] = [c for c in data["components"] if c["state"] != "ok"]
    assert (sick["name"], sick["problem"]) == ("warehouse", "overloaded")


def command(url: str, statement: str) -> None:
    """Have a Postgres do something that gives no rows."""
    plain = url.replace("postgresql+psycopg://", "postgresql://")
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(statement.encode())


def _states(data: Mapping[str, Any]) -> dict[str, str]:
    return {c["name"]: c["state"] for c in data["components"]}


async def _ready(port: int) -> dict[str, Any]:
    """Wait until a worker is ready: Temporal tells of its pollers a while later."""
    while True:
        status, said = await _probe(port, "readyz")
        if status == 200:
            return said
        await asyncio.sleep(0.2)


async def _probe(port: int, path: str) -> tuple[int, dict[str, Any]]:
    def ask() -> tuple[int, dict[str, Any]]:
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{port}/{path}", timeout=30
            ) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    return await asyncio.to_thread(ask)


async def _is_there(address: str, namespace: str) -> bool:
    try:
        client = await connect_client(address, namespace)
        await client.count_workflows()
    except (ConfigurationError, RPCError):
        return False
    return True


async def _until(check: Callable[[], object]) -> None:
    await asyncio.to_thread(eventually, check)


async def _until_async(check: Callable[[], Any]) -> None:
    while not await check():
        await asyncio.sleep(0.1)
