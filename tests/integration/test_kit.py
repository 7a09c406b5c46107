"""The testing kit on real servers: worker processes, a clock that is turned."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from flowstone import AlreadyDecided, Client, Flowstone, Pipeline, Run, Signal, asset
from flowstone.telemetry import Event, GateAnswered, GateExpired, GateOpened
from flowstone.testing import (
    Captured,
    Clock,
    Served,
    Servers,
    assert_lineage,
    assert_materialized,
    crash_at,
    worker_process,
)
from tests.apps import observed

pytestmark = [
    pytest.mark.service,
    pytest.mark.timeout(120),
    pytest.mark.flowstone(observed.app),
]

DAY = timedelta(days=1)
Told = tuple[str, str, str, str]


@asset
def signed_off() -> int | Signal[int]:
    return Signal(timeout=DAY)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the folder in which assets leave their notes."""
    monkeypatch.setenv("OBSERVED_FOLDER", str(tmp_path))
    return tmp_path


# --- a client on Temporal -----------------------------------------------------------


async def test_a_test_has_an_app_of_its_own_on_temporal(temporal_stone: Client) -> None:
    """The same asset and key, in two tests of one session, are two values."""
    run = await temporal_stone.materialize_all(observed.report, "k")

    assert await run.result() == "3 of 3, None"
    assert run.url is not None
    await assert_materialized(temporal_stone, observed.report, "k")
    await assert_lineage(temporal_stone, "report", "k", upstream=["raw", "cleaned"])


async def test_another_test_has_another_app(temporal_stone: Client) -> None:
    """What one test made is not there for the next."""
    assert not await temporal_stone.exists(observed.report, "k")
    assert await temporal_stone.runs.list() == []


async def test_a_worker_tells_what_it_does(
    temporal_stone: Client, captured_events: Captured
) -> None:
    """A test on Temporal captures what its worker tells, and that is what is recorded."""
    run = await temporal_stone.materialize_all(observed.report)
    await run.wait()

    recorded = await run.events()
    moved = [e for e in captured_events if e.name.startswith("flowstone.io.")]
    assert moved
    assert Counter(e for e in captured_events if e not in moved) == Counter(recorded)


# --- both engines -------------------------------------------------------------------


def facts(events: list[Event]) -> Counter[Told]:
    return Counter(
        (e.name, e.asset, e.key, e.outcome)
        for e in events
        if not e.name.startswith("flowstone.io.")
    )


async def play(stone: Client, token: Callable[[], str]) -> list[Event]:
    """Have every asset end in its way; give what is recorded."""
    targets = (observed.report, observed.blocked, observed.unanswered)
    runs: list[Run[object]] = [await stone.materialize_all(t, "k") for t in targets]
    runs.append(await stone.backfill(observed.cleaned, ["a", "b", "c"]))
    for run in runs:
        await run.wait()
    waits = await stone.materialize_all(observed.answered, "k")
    while not await stone.gates.list():
        await asyncio.sleep(0.05)
    await stone.gates.signal(token(), 4)
    assert await waits.result() == 7
    left = await stone.materialize_all(observed.waiting, "k")
    while not await stone.gates.list():
        await asyncio.sleep(0.05)
    await left.cancel()
    recorded: list[Event] = []
    for run in (*runs, waits, left):
        await run.wait()
        recorded += await run.events()
    return recorded


async def test_both_engines_tell_the_same(
    stone: Client,
    flowstone_served: Served,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Name, asset, key and outcome of what is told are equal on both engines.

    TEL-02, TEL-03: whatever becomes of an asset.
    """
    caplog.set_level("INFO", "flowstone.asset")

    def token() -> str:
        return caplog.messages[-1].rpartition(" ")[2]

    found: list[tuple[Counter[Told], Counter[Told]]] = []
    for client in (stone, flowstone_served.stone):
        told: list[Event] = []
        client.telemetry.attach(told.append)
        recorded = await play(client, token)
        client.telemetry.detach(told.append)
        found.append((facts(told), facts(recorded)))

    (told_here, kept_here), (told_there, kept_there) = found
    assert kept_here == kept_there
    assert told_here == told_there
    assert {name for name, *_ in kept_here} >= {
        "flowstone.backfill.stop",
        "flowstone.materialization.exception",
        "flowstone.signal_gate.create",
        "flowstone.signal_gate.signal",
        "flowstone.signal_gate.timeout",
        "flowstone.signal_gate.cancel",
    }
    assert {fact for fact in told_here if fact not in kept_here} == {
        ("flowstone.error", "failing", "k", "failed"),
        ("flowstone.error", "unanswered", "k", "failed"),
    }


# --- the clock ----------------------------------------------------------------------


async def test_a_month_passes_at_once(
    time_skipping_stone: Client, clock: Clock, captured_events: Captured
) -> None:
    """The deadline of a gate, a month away, passes in seconds."""
    began = time.monotonic()
    run = await time_skipping_stone.materialize_all(observed.waiting)

    await clock.advance(10 * DAY)
    assert await run.status() == "running"
    assert captured_events.of(GateOpened)
    await clock.advance(21 * DAY)
    outcome = await run.wait()

    assert (outcome.status, type(outcome.error).__name__) == ("failed", "GateTimedOut")
    assert len(captured_events.of(GateExpired)) == 1
    assert time.monotonic() - began < 10


@pytest.mark.flowstone(Pipeline(signed_off))
async def test_a_day_passes_within_a_second(
    time_skipping_stone: Client, clock: Clock
) -> None:
    """The deadline of a gate, 24 hours away, is tested in less than a second (TST-06)."""
    taken: list[float] = []
    # Whatever else this machine does: three times, one after the other.
    while len(taken) < 3 and min(taken, default=9) > 1:
        began = time.monotonic()
        run = await time_skipping_stone.materialize(signed_off, len(taken))
        await clock.advance(DAY + timedelta(minutes=1))
        outcome = await run.wait()
        taken.append(time.monotonic() - began)
        assert type(outcome.error).__name__ == "GateTimedOut"

    assert min(taken) < 1


async def test_a_gate_is_answered_after_a_week(
    time_skipping_stone: Client,
    clock: Clock,
    captured_events: Captured,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An answer is taken after a week, and the same one twice is one (TST-08)."""
    caplog.set_level("INFO", "flowstone.asset")
    run = await time_skipping_stone.materialize_all(observed.answered)
    await clock.advance(7 * DAY)

    token = caplog.messages[-1].rpartition(" ")[2]
    await time_skipping_stone.gates.signal(token, 4)
    await time_skipping_stone.gates.signal(token, 4)
    with pytest.raises(AlreadyDecided):
        await time_skipping_stone.gates.signal(token, 5)

    assert await run.result() == 7
    assert len(captured_events.of(GateAnswered)) == 1


async def test_hours_of_retries_pass_at_once(
    time_skipping_stone: Client, clock: Clock
) -> None:
    """Waits between attempts are skipped, in the partitions of a backfill too."""
    run = await time_skipping_stone.materialize(observed.flaky)
    await clock.advance(timedelta(hours=4))
    assert await run.result() == 3

    backfill = await time_skipping_stone.backfill(observed.sleepy, ["a", "b", "c"])
    await clock.advance(8 * DAY)
    assert (await backfill.result()).succeeded == 3


async def test_time_passes_for_somebody(
    time_skipping_stone: Client, clock: Clock
) -> None:
    """Where no run goes on no time can pass, and the test is told."""
    with pytest.raises(AssertionError, match="No run goes on"):
        await clock.advance(DAY)


# --- worker processes ---------------------------------------------------------------


@pytest.fixture
def deployed(
    flowstone_servers: Servers, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> Flowstone:
    """Give the app as a deployment has it: everything comes from the environment."""
    for name, value in flowstone_servers.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("OBSERVED_LOG", str(folder / "told"))
    return observed.app


def lines(folder: Path) -> list[Told]:
    text = (folder / "told").read_text()
    return [tuple(json.loads(line)) for line in text.splitlines()]


@pytest.mark.parametrize("point", ["commit.before", "commit.after", "reply.before"])
async def test_handlers_are_told_at_least_once(
    deployed: Flowstone, folder: Path, point: str
) -> None:
    """A worker that is killed has its events told by the next, none is lost (TST-08)."""
    async with deployed.connect() as stone:
        with worker_process("tests.apps.observed:app", crash_at(point)) as doomed:
            run = await stone.materialize_all(observed.report, point)
            await asyncio.to_thread(doomed.wait_killed)
        with worker_process("tests.apps.observed:app"):
            assert await run.result() == "3 of 3, None"
        recorded = await run.events()

    told = [t for t in lines(folder) if not t[0].startswith("flowstone.io.")]
    kept = [(e.name, e.asset, e.key, e.outcome) for e in recorded]
    assert set(told) == set(kept)
    made = Counter(k for k in kept if k[0] == "flowstone.materialization.stop")
    assert set(made.values()) == {1}


def test_a_worker_that_cannot_start_says_why() -> None:
    """A worker that ends by itself fails the test with what it said."""
    with (
        pytest.raises(AssertionError, match="no app named 'nothing'"),
        worker_process("tests.apps.observed:nothing"),
    ):
        raise AssertionError
