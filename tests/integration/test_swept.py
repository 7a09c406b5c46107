"""Workflows that somebody has ended by hand: whoever asks is told, nothing waits on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from flowstone import Client, RunClosed
from flowstone.engines.temporal.connect import connect_client
from tests.apps import waiting
from tests.harness import WorkerProcess, eventually, query, upgrade

pytestmark = [pytest.mark.service, pytest.mark.timeout(120)]


@pytest.fixture
async def stone(
    tmp_path: Path, postgres_url: str, temporal_address: str
) -> AsyncIterator[Client]:
    """Connect to an app that waits, served by a worker of its own."""
    upgrade(postgres_url)
    name = f"t-{tmp_path.name}".replace("_", "-").lower()
    environment = {
        "WAITING_NAME": name,
        "WAITING_TOKENS": str(tmp_path / "token"),
        "TEMPORAL_ADDRESS": temporal_address,
        "FLOWSTONE_LEDGER_URL": postgres_url,
        "FLOWSTONE_WORKER_SWEEP_SECONDS": "600",
    }
    async with AsyncExitStack() as stack:
        worker = await asyncio.to_thread(
            lambda: WorkerProcess("tests.apps.waiting:app", tmp_path, environment)
        )
        stack.callback(worker.end)
        app = waiting.make_app(name, postgres_url)
        yield await stack.enter_async_context(app.connect(temporal_address))


async def wait_and_terminate(stone: Client, folder: Path, address: str) -> str:
    """Have a run wait at its gate, and its workflow be ended by hand; give its token."""
    await stone.materialize(waiting.answered)
    while not await stone.gates.list():
        await asyncio.sleep(0.1)
    [gate] = await stone.gates.list()
    temporal = await connect_client(address)
    await temporal.get_workflow_handle(gate.workflow).terminate()
    return (folder / "token").read_text()


async def test_whoever_answers_a_dead_run_is_told(
    stone: Client, tmp_path: Path, postgres_url: str, temporal_address: str
) -> None:
    """An answer to a run whose workflow is gone is refused, and the run is ended."""
    token = await wait_and_terminate(stone, tmp_path, temporal_address)

    with pytest.raises(RunClosed):
        await stone.gates.signal(token, 1)

    assert query(postgres_url, "SELECT status FROM flowstone_runs") == [("terminated",)]
    assert query(postgres_url, "SELECT * FROM flowstone_claims") == []
    assert await stone.gates.list() == []


async def test_the_relay_ends_what_does_not_hear_it(
    stone: Client, tmp_path: Path, postgres_url: str, temporal_address: str
) -> None:
    """Where whoever answered is gone too, the relay asks whether the run lives."""
    await wait_and_terminate(stone, tmp_path, temporal_address)
    [gate] = await stone.gates.list()
    ledger = waiting.make_app("any", postgres_url).ledger
    assert ledger is not None
    try:
        await asyncio.to_thread(ledger.gates.answer, gate.id, "1", "somebody")
        ended = "SELECT 1 FROM flowstone_runs WHERE status = 'terminated'"
        await asyncio.to_thread(
            lambda: eventually(lambda: query(postgres_url, ended), what="the end")
        )
        with pytest.raises(RunClosed):
            await asyncio.to_thread(ledger.gates.answer, gate.id, "1", "somebody")
    finally:
        ledger.close()
