"""Approvals and gates that wait while everything around them dies."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from time import monotonic

import pytest

from flowstone import (
    AlreadyDecided,
    Approval,
    ApprovalRejected,
    Client,
    GateTimedOut,
    Pipeline,
    asset,
)
from flowstone.ledger.base import Gate
from flowstone.stack import TemporalServer
from flowstone.telemetry import (
    ApprovalEscalated,
    ApprovalExpired,
    ApprovalReminded,
)
from flowstone.testing import Captured, Clock, crash_at
from flowstone.views import ApprovalEntry
from tests.apps import waiting
from tests.harness import WorkerProcess, eventually, query, upgrade

pytestmark = [pytest.mark.service, pytest.mark.timeout(180)]

DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where an app that waits is served."""

    name: str
    url: str
    folder: Path

    def worker(self, address: str, **more: str) -> WorkerProcess:
        environment = {
            "WAITING_NAME": self.name,
            "WAITING_TOKENS": str(self.folder / "token"),
            "TEMPORAL_ADDRESS": address,
            "FLOWSTONE_LEDGER_URL": self.url,
            "FLOWSTONE_ACTOR": "a worker",
            **more,
        }
        return WorkerProcess("tests.apps.waiting:app", self.folder, environment)

    def made(self) -> list[tuple[object, ...]]:
        """Count what is told as made, by its asset."""
        return query(
            self.url,
            "SELECT asset, count(*) FROM flowstone_events WHERE outcome = 'produced' "
            "GROUP BY asset ORDER BY asset",
        )


@pytest.fixture
def place(tmp_path: Path, postgres_url: str) -> Place:
    upgrade(postgres_url)
    name = f"t-{tmp_path.name}".replace("_", "-").lower()[:40]
    return Place(name=name, url=postgres_url, folder=tmp_path)


async def asked(stone: Client) -> ApprovalEntry:
    while not (found := await stone.approvals.list()):
        await asyncio.sleep(0.05)
    return found[0]


async def opened(stone: Client) -> Gate:
    while not (found := await stone.gates.list()):
        await asyncio.sleep(0.05)
    return found[0]


async def test_what_waits_outlives_worker_and_server(place: Place) -> None:
    """Killed, both come back; what was decided meanwhile takes effect, once."""
    server = TemporalServer(place.folder / "temporal", ui=False)
    await asyncio.to_thread(server.start)
    worker = await asyncio.to_thread(lambda: place.worker(server.address))
    app = waiting.make_app(place.name, place.url)
    try:
        async with app.connect(server.address, actor="anna") as stone:
            approved = await stone.materialize(waiting.approved)
            answered = await stone.materialize(waiting.answered)
            approval = await asked(stone)
            await opened(stone)
            await asyncio.to_thread(worker.kill)
            await asyncio.to_thread(server.kill)

            # Nobody is alive who could do anything with it.
            decided = await stone.approvals.approve(approval.id)
            assert decided.state == "approved"
            with pytest.raises(AlreadyDecided, match="approved by anna"):
                await stone.approvals.reject(approval.id)
            assert not await stone.exists(waiting.approved)
            token = (place.folder / "token").read_text()
            await stone.gates.signal(token, 5)

            await asyncio.to_thread(server.start)
            worker = await asyncio.to_thread(lambda: place.worker(server.address))
            assert await approved.result() == 7
            assert await answered.result() == 5
        assert place.made() == [("answered", 1), ("approved", 1)]
        asked_runs = (place.folder / "asked").read_text().split()
        assert asked_runs == [approved.id]
        assert query(place.url, "SELECT * FROM flowstone_claims") == []
    finally:
        worker.end()
        await asyncio.to_thread(server.remove)


async def test_a_deadline_comes_without_a_worker(
    place: Place, temporal_address: str
) -> None:
    """It is the deadline that decided, though nobody was there then (APR-18, GAT-18)."""
    seconds = {"WAITING_SECONDS": "4"}
    worker = await asyncio.to_thread(lambda: place.worker(temporal_address, **seconds))
    app = waiting.make_app(place.name, place.url)
    try:
        async with app.connect(temporal_address, actor="anna") as stone:
            approved = await stone.materialize(waiting.approved)
            expiring = await stone.materialize(waiting.expiring)
            approval = await asked(stone)
            await opened(stone)
            await asyncio.to_thread(worker.kill)
            passed = "SELECT 1 FROM flowstone_gates WHERE deadline < clock_timestamp()"
            await asyncio.to_thread(
                lambda: eventually(lambda: len(query(place.url, passed)) == 2)
            )
            with pytest.raises(AlreadyDecided, match="its deadline has passed"):
                await stone.approvals.approve(approval.id)

            worker = await asyncio.to_thread(
                lambda: place.worker(temporal_address, **seconds)
            )
            rejected = (await approved.wait()).error
            late = (await expiring.wait()).error

        assert isinstance(rejected, ApprovalRejected)
        assert isinstance(late, GateTimedOut)
        assert late.waited_seconds == 4
        assert place.made() == []
    finally:
        worker.end()


async def publish_while_killed(place: Place, address: str, point: str) -> None:
    """Kill a worker while it publishes what was approved; another one comes."""
    named = replace(place, name=f"{place.name}-{point.replace('.', '-')}")
    doomed = crash_at(point, 2).environment  # the first time is the holding
    worker = await asyncio.to_thread(lambda: named.worker(address, **doomed))
    app = waiting.make_app(named.name, named.url)
    try:
        async with app.connect(address, actor="anna") as stone:
            run = await stone.materialize(waiting.approved)
            approval = await asked(stone)
            await stone.approvals.approve(approval.id)
            await asyncio.to_thread(worker.wait_killed)
            worker = await asyncio.to_thread(lambda: named.worker(address))
            assert await run.result() == 7, point
            told = [e.outcome for e in await run.events() if e.outcome != "succeeded"]
            shown = await stone.lineage.upstream(waiting.approved)
            assert await stone.value(waiting.approved, None, approval.version) == 7

        assert told == ["", "", "held", "approved", "produced"], point
        assert shown == []
    finally:
        worker.end()


async def test_a_worker_killed_while_it_publishes_changes_nothing(
    place: Place, temporal_address: str
) -> None:
    """What was approved is published once, whenever a worker dies."""
    async with asyncio.TaskGroup() as group:
        for point in ("store.before", "commit.before", "commit.after"):
            group.create_task(publish_while_killed(place, temporal_address, point))

    versions = "SELECT count(*), count(DISTINCT id) FROM flowstone_versions"
    assert query(place.url, versions) == [(3, 3)]
    assert query(place.url, "SELECT * FROM flowstone_claims") == []


async def test_fifty_decide_at_once_through_two_clients(
    place: Place, temporal_address: str
) -> None:
    """One wins, and 49 are told at once who."""
    worker = await asyncio.to_thread(lambda: place.worker(temporal_address))
    app = waiting.make_app(place.name, place.url)
    other = waiting.make_app(place.name, place.url)
    try:
        async with (
            app.connect(temporal_address, actor="anna") as one,
            other.connect(temporal_address, actor="bob") as two,
        ):
            run = await one.materialize(waiting.approved)
            approval = await asked(one)
            stones = [one, two] * 25
            said = await asyncio.gather(
                *(stone.approvals.approve(approval.id) for stone in stones),
                return_exceptions=True,
            )
            won = [entry for entry in said if isinstance(entry, ApprovalEntry)]
            lost = [error for error in said if isinstance(error, AlreadyDecided)]
            assert await run.result() == 7

        assert (len(won), len(lost)) == (1, 49)
        assert {error.winner for error in lost} == {won[0].winner}
        assert place.made() == [("approved", 1)]
    finally:
        worker.end()


# --- a month ------------------------------------------------------------------------


@asset
def reviewed() -> int | Approval[int]:
    return Approval(
        7,
        message="Take your time",
        timeout=30 * DAY,
        on_timeout="escalate",
        escalate_to="the board",
        remind=[10 * DAY, 20 * DAY],
    )


@pytest.mark.flowstone(Pipeline(reviewed))
async def test_a_month_with_two_reminders_passes_in_seconds(
    time_skipping_stone: Client, clock: Clock, captured_events: Captured
) -> None:
    """Reminders, the escalation and its deadline come, each at its time."""
    began = monotonic()
    run = await time_skipping_stone.materialize(reviewed)
    approval = await asked(time_skipping_stone)

    await clock.advance(11 * DAY)
    assert len(captured_events.of(ApprovalReminded)) == 1
    await clock.advance(10 * DAY)
    assert len(captured_events.of(ApprovalReminded)) == 2
    await clock.advance(10 * DAY)
    [escalated] = captured_events.of(ApprovalEscalated)
    assert escalated.escalated_to == "the board"
    later = await time_skipping_stone.approvals.get(approval.id)
    assert later.deadline == approval.opened_at + 60 * DAY
    assert await run.status() == "running"
    await clock.advance(30 * DAY)
    outcome = await run.wait()

    assert isinstance(outcome.error, ApprovalRejected)
    assert len(captured_events.of(ApprovalExpired)) == 1
    assert len(captured_events.of(ApprovalReminded)) == 2
    assert monotonic() - began < 10


@pytest.mark.flowstone(Pipeline(reviewed))
async def test_a_decision_comes_after_weeks(
    time_skipping_stone: Client, clock: Clock
) -> None:
    """What was held back for weeks is published as it was."""
    run = await time_skipping_stone.materialize(reviewed)
    approval = await asked(time_skipping_stone)
    await clock.advance(25 * DAY)
    await time_skipping_stone.approvals.approve(approval.id)

    assert await run.result() == 7
