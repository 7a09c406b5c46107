"""Sensors in this process: one looks when it is asked to, and what it finds is made."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from flowstone import (
    Context,
    Flowstone,
    Found,
    NotSupported,
    Pipeline,
    RunError,
    S3NewObjects,
    Sensor,
    Skip,
    Trigger,
    UnknownSchedule,
    asset,
)
from flowstone.core.errors import ConfigurationError


@asset
def raw(ctx: Context) -> str:
    return f"raw {ctx.partition}"


@asset
def report(raw: str) -> str:
    return raw.upper()


PIPELINE = Pipeline(raw, report)


def numbers(cursor: int | None) -> Found:
    """Find three numbers in each look."""
    first = cursor or 0
    return Found([Trigger(report, n) for n in range(first, first + 3)], first + 3)


def app_of(check: Any, name: str = "sensing") -> Flowstone:
    return Flowstone(name, PIPELINE, sensors=[Sensor("news", check=check)])


async def test_a_tick_makes_what_it_finds() -> None:
    """Each piece of news is a run; the look names them (SEN-09)."""
    async with app_of(numbers).local(actor="ada") as stone:
        tick = await stone.sensors.tick("news")
        runs = [await stone.runs.get(run) for run in tick.runs]

        assert (tick.outcome, tick.found, tick.started) == ("triggered", 3, 3)
        assert [await run.result() for run in runs] == ["RAW 0", "RAW 1", "RAW 2"]
        [status] = await stone.sensors.list()
        assert (status.state, status.cursor) == ("not_applied", 3)
        assert status.last == tick
        assert await stone.sensors.ticks("news") == [tick]
        lines = [(e.action, e.actor, e.subject) for e in await stone.audit.list()]
        assert ("sensor.tick", "ada", "news") in lines
        assert len([a for a in lines if a[:2] == ("run.start", "sensor:news")]) == 3


async def test_a_test_moves_nothing() -> None:
    """A dry run says what is new, and what has a run already (SEN-09)."""

    def keyed(cursor: int | None) -> Found:
        last = (cursor or 0) + 2
        return Found([Trigger(report, n, key=str(n)) for n in range(last)], last)

    async with app_of(keyed).local() as stone:
        before = await stone.sensors.test("news")
        await stone.sensors.tick("news")
        after = await stone.sensors.test("news")

        assert before.new == ["report @ 0", "report @ 1"]
        assert (before.known, before.cursor, before.skipped) == ([], 2, "")
        assert after.new == ["report @ 2", "report @ 3"]
        assert after.known == ["report @ 0", "report @ 1"]
        assert len(await stone.sensors.ticks("news")) == 1


async def test_a_test_says_why_it_would_skip_or_fail() -> None:
    """What a check says or raises is told, and recorded nowhere."""

    def resting(_: object) -> Skip:
        return Skip("it is Sunday")

    def broken(cursor: Any) -> Found:
        return cursor["x"]

    async with app_of(resting).local() as stone:
        assert (await stone.sensors.test("news")).skipped == "it is Sunday"
    async with app_of(broken).local() as stone:
        with pytest.raises(RunError, match="raised TypeError"):
            await stone.sensors.test("news")
        assert await stone.sensors.ticks("news") == []


async def test_a_check_that_fails_is_seen(tmp_path: Path) -> None:
    """The look is recorded as failed, and the sensor says since when and why."""

    def missing(_: object) -> Found:
        raise FileNotFoundError("no such folder")

    async with app_of(missing).local() as stone:
        tick = await stone.sensors.tick("news")
        again = await stone.sensors.tick("news")
        [status] = await stone.sensors.list()

        assert (tick.outcome, again.outcome) == ("failed", "failed")
        assert "no such folder" in tick.why
        assert (status.state, status.failures) == ("failing", 2)
        assert status.due_at is not None


async def test_a_cursor_outlives_the_process(tmp_path: Path) -> None:
    """Whoever opens the same folder goes on from where the last one was (SEN-07)."""
    for first in (0, 3):
        async with app_of(numbers).local(tmp_path) as stone:
            tick = await stone.sensors.tick("news")
            rows = [await stone.runs.get(run) for run in tick.runs]
            assert [run.partition for run in rows] == [first, first + 1, first + 2]
            for run in rows:
                await run.wait()


async def test_what_needs_a_clock_is_refused() -> None:
    """In one process nobody looks by himself; the refusal says what is there."""
    async with app_of(numbers).local() as stone:
        for refused in (stone.sensors.pause("news"), stone.sensors.resume("news")):
            with pytest.raises(NotSupported, match="in this process.*tick"):
                await refused
        for unknown in (stone.sensors.tick("x"), stone.sensors.test("x")):
            with pytest.raises(UnknownSchedule, match="no sensor 'x'"):
                await unknown
        with pytest.raises(UnknownSchedule, match="no sensor 'x'"):
            await stone.sensors.ticks("x")


def test_an_app_refuses_sensors_that_cannot_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Unknown assets when it is built, what nobody has told when it is opened."""
    monkeypatch.delenv("FLOWSTONE_S3_BUCKET", raising=False)
    look = S3NewObjects(prefix="in/", asset="raport", min_age=timedelta(seconds=1))
    with pytest.raises(ConfigurationError, match="'raport'"):
        app_of(look)
    with (
        pytest.raises(ConfigurationError, match="give S3NewObjects"),
        app_of(S3NewObjects(prefix="in/", asset=report)).local().sync(),
    ):
        pass
