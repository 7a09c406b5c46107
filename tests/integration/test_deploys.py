"""Deploys while runs wait: they go on with the new version, and the old one may go."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.api.workflowservice.v1 import SetWorkerDeploymentCurrentVersionRequest
from temporalio.client import Client as TemporalClient
from temporalio.service import RPCError
from temporalio.testing import TimeSkipper

from flowstone import Client
from flowstone.engines.temporal.connect import connect_client
from flowstone.engines.temporal.moving import Moving
from flowstone.engines.temporal.moving import version_of as named
from flowstone.ledger.base import Gate
from flowstone.opening import close_toolbox, shared_toolbox
from tests.apps import deployed
from tests.harness import WorkerProcess, query, upgrade

pytestmark = [pytest.mark.service, pytest.mark.timeout(180)]


@dataclass(kw_only=True)
class Fleet:
    """Workers of an app, each of a version."""

    name: str
    url: str
    address: str
    folder: Path
    workers: list[WorkerProcess] = field(default_factory=list[WorkerProcess])

    def deploy(self, build: str, code: str, *, looks: str = "0.5") -> WorkerProcess:
        """Start a worker of a version, which looks for others' runs that often."""
        worker = WorkerProcess(
            "tests.apps.deployed:app",
            self.folder,
            {
                "DEPLOYED_NAME": self.name,
                "DEPLOYED_CODE": code,
                "DEPLOYED_TOKEN": str(self.folder / "token"),
                "TEMPORAL_ADDRESS": self.address,
                "FLOWSTONE_LEDGER_URL": self.url,
                "FLOWSTONE_WORKER_SWEEP_SECONDS": looks,
                "TEMPORAL_WORKER_BUILD_ID": build,
            },
        )
        self.workers.append(worker)
        return worker

    async def make_current(self, temporal: TemporalClient, build: str) -> None:
        """Have new runs begin with a version, as soon as Temporal knows of it."""
        request = SetWorkerDeploymentCurrentVersionRequest(
            namespace=temporal.namespace,
            deployment_name=f"flowstone-{self.name}",
            build_id=build,
            identity="the tests",
        )
        service = temporal.workflow_service
        while True:
            try:
                await service.set_worker_deployment_current_version(request)
            except RPCError:
                await asyncio.sleep(0.1)  # its worker has not said yet that it is there
            else:
                return


@pytest.fixture
def fleet(tmp_path: Path, postgres_url: str, temporal_address: str) -> Iterator[Fleet]:
    upgrade(postgres_url)
    name = f"t-{tmp_path.name}".replace("_", "-").lower()[:40]
    made = Fleet(name=name, url=postgres_url, address=temporal_address, folder=tmp_path)
    yield made
    for worker in made.workers:
        worker.end()


async def gate_of(stone: Client) -> Gate:
    while not (found := await stone.gates.list()):
        await asyncio.sleep(0.05)
    return found[0]


async def version_of(temporal: TemporalClient, workflow: str) -> str:
    described = await temporal.get_workflow_handle(workflow).describe()
    info = described.raw_description.workflow_execution_info.versioning_info
    return info.deployment_version.build_id


async def test_a_run_that_waits_moves_to_the_version_of_a_deploy(fleet: Fleet) -> None:
    """Deployed on day 5 of a wait of 30, the new code goes on; the old worker may go."""
    app = deployed.make_app(fleet.name, fleet.url)
    temporal = await connect_client(fleet.address)
    old = await asyncio.to_thread(lambda: fleet.deploy("one", "1"))
    await fleet.make_current(temporal, "one")
    async with app.connect(fleet.address) as stone:
        run = await stone.materialize_all(deployed.told)
        before = await gate_of(stone)
        [row] = await stone.runs.list()
        assert await version_of(temporal, row.workflow) == "one"
        handle = temporal.get_workflow_handle(row.workflow)
        await TimeSkipper(temporal).fast_forward(handle, timedelta(days=5))

        await asyncio.to_thread(lambda: fleet.deploy("two", "2"))
        assert await version_of(temporal, row.workflow) == "one"
        await fleet.make_current(temporal, "two")
        while await version_of(temporal, row.workflow) != "two":
            await asyncio.sleep(0.1)
        await asyncio.to_thread(old.end)

        after = await gate_of(stone)
        assert (after.id, after.deadline) == (before.id, before.deadline)
        await stone.gates.signal((fleet.folder / "token").read_text(), 39)
        assert await run.result() == "39 by code 2, told by code 2"
    moved = "SELECT count(*) FROM flowstone_audit WHERE action = %s AND run = %s"
    assert query(fleet.url, moved, "run.moved", run.id) == [(1,)]


async def test_a_fire_that_awaits_its_run_holds_no_version(fleet: Fleet) -> None:
    """A schedule's fire ends with whichever version is current when its run ends."""
    app = deployed.make_app(fleet.name, fleet.url)
    temporal = await connect_client(fleet.address)
    old = await asyncio.to_thread(lambda: fleet.deploy("one", "1"))
    await fleet.make_current(temporal, "one")
    async with app.connect(fleet.address) as stone:
        run = await stone.schedules.trigger("told")
        await gate_of(stone)
        [row] = await stone.runs.list()
        await asyncio.to_thread(lambda: fleet.deploy("two", "2"))
        await fleet.make_current(temporal, "two")
        while await version_of(temporal, row.workflow) != "two":
            await asyncio.sleep(0.1)
        await asyncio.to_thread(old.end)

        await stone.gates.signal((fleet.folder / "token").read_text(), 39)
        assert await run.result() == "39 by code 2, told by code 2"
        fire = temporal.get_workflow_handle(row.request.tick)
        assert (await fire.result())["status"] == "succeeded"
        assert await version_of(temporal, row.request.tick) == "two"


async def test_a_version_that_is_not_current_wakes_nobody(fleet: Fleet) -> None:
    """Runs stay with their version until somebody has made a newer one current."""
    app = deployed.make_app(fleet.name, fleet.url)
    temporal = await connect_client(fleet.address)
    await asyncio.to_thread(lambda: fleet.deploy("one", "1"))
    await fleet.make_current(temporal, "one")
    async with app.connect(fleet.address) as stone:
        run = await stone.materialize_all(deployed.told)
        await gate_of(stone)
        await asyncio.to_thread(lambda: fleet.deploy("two", "2"))
        [row] = await stone.runs.list()
        await stone.gates.signal((fleet.folder / "token").read_text(), 1)
        assert await run.result() == "1 by code 1, told by code 1"
        assert await version_of(temporal, row.workflow) == "one"


async def test_a_run_is_rung_once_however_long_it_stays(fleet: Fleet) -> None:
    """Whoever does not go at once, as it is at work, is not asked again and again."""
    app = deployed.make_app(fleet.name, fleet.url)
    temporal = await connect_client(fleet.address)
    old = await asyncio.to_thread(lambda: fleet.deploy("one", "1"))
    await fleet.make_current(temporal, "one")
    async with app.connect(fleet.address) as stone:
        await stone.materialize_all(deployed.told)
        await gate_of(stone)
    await asyncio.to_thread(old.end)
    # It has said that it is there, and ends before it looks for anything.
    new = await asyncio.to_thread(lambda: fleet.deploy("two", "2", looks="60"))
    await fleet.make_current(temporal, "two")
    await asyncio.to_thread(new.end)

    toolbox = await asyncio.to_thread(shared_toolbox, app)
    version = named(fleet.name, None, "two")
    assert version is not None
    moving = Moving(toolbox, temporal, version)
    try:
        first = await moving.wake()
        while not (
            bells := await asyncio.to_thread(toolbox.ledger.outbox.due, app.name)
        ):
            await asyncio.sleep(0.05)
        again = await moving.wake()
    finally:
        await asyncio.to_thread(close_toolbox, toolbox)

    assert (first, len(bells), again) == (1, 1, 0)
