"""Telemetry: the lines of the cases on what is told, to whom, and when."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from flowstone import (
    Client,
    Flowstone,
    Pipeline,
    Retry,
    Run,
    Signal,
    Skip,
    Snooze,
    asset,
    telemetry,
)
from flowstone.io import Slot, Stored
from flowstone.telemetry import (
    ErrorOccurred,
    Event,
    LoadStarted,
    LoadStopped,
    MaterializationFailed,
    MaterializationStopped,
    StoreStarted,
    StoreStopped,
)

SOON = timedelta(milliseconds=50)


@asset
def raw() -> list[int]:
    return [3, 1, 2]


@asset
def cleaned(raw: list[int]) -> list[int]:
    return sorted(raw)


@asset(retry=Retry(attempts=2, delay=timedelta(0)))
def failing(raw: list[int]) -> int:
    message = "no such host"
    raise ConnectionError(message)


@asset
def blocked(failing: int) -> int:
    return failing


@asset
def skipped(raw: list[int]) -> int | Skip:
    return Skip("nothing today")


@asset
def unanswered(raw: list[int]) -> int | Signal[int]:
    return Signal(timeout=SOON)


@asset
def extended(raw: list[int]) -> int | Signal[int]:
    return Signal(timeout=SOON)


@extended.on_timeout
def once_more() -> int | Signal[int]:
    CALLS.append("extended")
    return Signal(timeout=SOON) if CALLS.count("extended") < 2 else 7


@asset
def snoozing(raw: list[int]) -> int | Snooze:
    CALLS.append("snoozing")
    return Snooze(timedelta(0)) if CALLS.count("snoozing") < 2 else 1


CALLS: list[str] = []
ASSETS = (raw, cleaned, failing, blocked, skipped, unanswered, snoozing)


@pytest.fixture
def told() -> Iterator[list[Event]]:
    """Listen to everything that happens in this process."""
    found: list[Event] = []
    telemetry.attach(found.append)
    yield found
    telemetry.detach(found.append)


def shop(*assets: object, **how: object) -> Flowstone:
    pipeline = Pipeline(*(assets or ASSETS))  # pyright: ignore[reportArgumentType]
    return Flowstone("t", pipeline, **how)  # pyright: ignore[reportArgumentType]


async def test_a_failure_is_told_with_its_type(
    told: list[Event], caplog: pytest.LogCaptureFixture
) -> None:
    """A failure is told with its type, and logged (ERR-01, TEL-02)."""
    telemetry.attach(telemetry.log_events)
    try:
        async with shop().local() as stone:
            await (await stone.materialize_all(failing, "k")).wait()
    finally:
        telemetry.detach(telemetry.log_events)

    attempts = [e for e in told if isinstance(e, MaterializationFailed)]
    [error] = [e for e in told if isinstance(e, ErrorOccurred)]
    assert [(e.attempt, e.error_type, e.retryable) for e in attempts] == [
        (1, "ConnectionError", True),
        (2, "ConnectionError", True),
    ]
    assert {e.error for e in attempts} == {"no such host"}
    assert (error.asset, error.key, error.error_type) == (
        "failing",
        "k",
        "ConnectionError",
    )
    assert error.retryable is False
    errors = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert [r.getMessage() for r in errors] == ["error failing @ k: failed"]


async def test_a_subscriber_hears_what_it_subscribed_to(told: list[Event]) -> None:
    """Who subscribes to runs hears of runs, and who has left hears nothing (TEL-03)."""
    runs: list[Event] = []
    telemetry.attach(runs.append, "flowstone.run.")
    async with shop().local() as stone:
        await (await stone.materialize_all(cleaned)).wait()
        telemetry.detach(runs.append)
        await (await stone.materialize_all(cleaned, policy="always")).wait()

    assert [e.name for e in runs] == ["flowstone.run.start", "flowstone.run.stop"]
    assert len([e for e in told if e.name == "flowstone.run.stop"]) == 2


async def test_a_store_and_a_load_are_told(told: list[Event]) -> None:
    """A store and a load are told around, with bytes and duration (IO-12)."""
    async with shop().local(packs=False) as stone:
        await (await stone.materialize_all(cleaned, "k")).wait()

    moved = [e for e in told if e.name.startswith("flowstone.io.")]
    assert [(type(e), e.asset) for e in moved] == [
        (StoreStarted, "raw"),
        (StoreStopped, "raw"),
        (LoadStarted, "raw"),
        (LoadStopped, "raw"),
        (StoreStarted, "cleaned"),
        (StoreStopped, "cleaned"),
    ]
    for event in moved:
        assert (event.key, event.data["io"]) == ("k", "default")
        assert event.run
        if isinstance(event, StoreStopped | LoadStopped):
            assert event.outcome == "ok"
            assert event.bytes == len("[3,1,2]")
            assert event.millis is not None
            assert event.millis > 0


async def test_movements_of_values_are_not_recorded(told: list[Event]) -> None:
    """What is told of stores and loads is no part of a run's own events."""
    async with shop().local(packs=False) as stone:
        run = await stone.materialize_all(cleaned)
        await run.wait()
        recorded = await run.events()

    assert any(e.name.startswith("flowstone.io.") for e in told)
    assert not any(e.name.startswith("flowstone.io.") for e in recorded)


async def test_handlers_are_told_exactly_what_is_recorded(told: list[Event]) -> None:
    """Of a run that nothing disturbs, each event recorded is told once, and the same.

    TEL-02: only what is told of errors and movements is not recorded.
    """
    recorded: list[Event] = []
    async with shop(*ASSETS, extended).local() as stone:
        each = (*ASSETS, extended)
        runs: list[Run[Any]] = [await stone.materialize_all(a, "k") for a in each]
        runs.append(await stone.backfill(cleaned, ["a", "b"]))
        for run in runs:
            await run.wait()
            recorded += await run.events()

    unrecorded = ("flowstone.io.", "flowstone.error")
    mine = [e for e in told if not e.name.startswith(unrecorded)]
    assert Counter(mine) == Counter(recorded)
    assert {e.name for e in mine} >= {
        "flowstone.backfill.start",
        "flowstone.backfill.stop",
        "flowstone.signal_gate.create",
        "flowstone.signal_gate.timeout",
        "flowstone.signal_gate.timeout_retry",
    }
    assert all(e.at is not None and e.at.tzinfo is not None for e in mine)


async def test_what_is_told_is_there(told: list[Event]) -> None:
    """A handler is told of a version when readers can have it already."""
    seen: list[str] = []

    async with shop().local() as stone:
        ledger = ledger_of(stone)

        def look(event: Event) -> None:
            if isinstance(event, MaterializationStopped) and event.version:
                version = ledger.version(f"t/{event.asset}", event.key, event.version)
                seen.append("" if version is None else version.id)

        telemetry.attach(look, "flowstone.materialization.")
        try:
            await (await stone.materialize_all(cleaned)).wait()
        finally:
            telemetry.detach(look)

    made = [e for e in told if isinstance(e, MaterializationStopped)]
    assert seen == [e.version for e in made]
    assert len(seen) == 2


def ledger_of(stone: Client):
    return stone._toolbox.ledger.catalog  # pyright: ignore[reportPrivateUsage]


async def test_a_run_outlives_its_handlers(caplog: pytest.LogCaptureFixture) -> None:
    """A handler that raises at every event changes nothing of a run."""

    def broken(event: Event) -> None:
        raise SystemError(event.name)

    telemetry.attach(broken)
    try:
        async with shop().local() as stone:
            run = await stone.materialize_all(cleaned)
            assert await run.result() == [1, 2, 3]
            assert [e.name for e in await run.events()][-1] == "flowstone.run.stop"
    finally:
        telemetry.detach(broken)

    assert "SystemError" in caplog.text


async def test_a_skip_says_why(told: list[Event]) -> None:
    """Who skips tells why, and what could not be made tells that."""
    async with shop().local() as stone:
        await (await stone.materialize_all(skipped)).wait()
        await (await stone.materialize_all(blocked)).wait()

    stops = [e for e in told if isinstance(e, MaterializationStopped)]
    assert [(e.asset, e.outcome, e.reason) for e in stops if not e.version] == [
        ("skipped", "skipped", "nothing today"),
        ("blocked", "upstream_failed", None),
    ]


class Broken:
    """A store that is down."""

    def store(self, value: object, at: Slot) -> Stored:
        raise ValueError(at.path)

    def load(self, at: Stored, want: object) -> object:
        raise ValueError(at.location)

    def delete(self, at: Stored) -> None:
        raise ValueError(at.location)


async def test_a_store_that_fails_is_told(told: list[Event]) -> None:
    """A movement that fails is told with how long it took, and no size."""
    async with shop(raw, io={"default": Broken()}).local() as stone:
        await (await stone.materialize(raw)).wait()

    [stop] = [e for e in told if isinstance(e, StoreStopped)]
    assert (stop.outcome, stop.bytes) == ("failed", None)


async def test_a_run_that_is_cancelled_leaves_its_gate(told: list[Event]) -> None:
    """A gate whose run is cancelled is told to be waited at no more."""

    @asset
    def waiting() -> int | Signal[int]:
        return Signal(timeout=timedelta(hours=1))

    async with shop(waiting).local() as stone:
        run = await stone.materialize(waiting)
        while not await stone.gates.list():
            await run.progress()
        await run.cancel()
        await run.wait()
        recorded = await run.events()

    gates = [e for e in told if e.name.startswith("flowstone.signal_gate.")]
    assert [(e.name.rpartition(".")[2], e.outcome) for e in gates] == [
        ("create", "held"),
        ("cancel", "abandoned"),
    ]
    assert gates[1] in recorded
    assert gates[0].data["gate"] == gates[1].data["gate"]
