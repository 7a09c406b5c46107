"""Schedules in this process: they can be triggered, and say what they lack."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from flowstone import (
    AssetFailed,
    ConfigurationError,
    Context,
    Flowstone,
    NotSupported,
    Pipeline,
    RunError,
    Schedule,
    UnknownSchedule,
    asset,
    previous_day,
)

AT = datetime(2025, 1, 16, 6, tzinfo=UTC)


@asset
def report(ctx: Context) -> str:
    return f"{ctx.partition} of {ctx.scheduled_at}"


@asset
def broken() -> int:
    raise ValueError("no")


app = Flowstone(
    "timed",
    Pipeline(report, broken),
    schedules=[
        Schedule(report, cron="0 6 * * *", partition=previous_day),
        Schedule(report, cron="0 7 * * *", name="later"),
        Schedule(broken, cron="0 8 * * *"),
    ],
)


async def test_a_trigger_does_what_the_clock_would() -> None:
    """It makes the partition of the time that is given, and says who asked."""
    async with app.local(actor="ada") as stone:
        run = await stone.schedules.trigger("report", at=AT)

        assert await run.result() == "2025-01-15 of 2025-01-16 06:00:00+00:00"
        assert run.partition == date(2025, 1, 15)
        [first, *_] = await stone.schedules.list()
        assert (first.runs, first.state) == ([run.id], "not_applied")
        lines = [(e.action, e.actor, e.subject) for e in await stone.audit.list()]
        assert ("schedule.trigger", "ada", "report") in lines
        names = [e.name for e in await run.events()]
        assert names[0] == "flowstone.schedule.fire"


async def test_a_trigger_without_a_time_is_now() -> None:
    """Whatever the expression says, now is a time to fire."""
    async with app.local() as stone:
        run = await stone.schedules.trigger("later")

        today = datetime.now(UTC).date()
        assert run.partition in {today, today - timedelta(days=1)}
        assert str(run.partition) in str(await run.result())


async def test_schedules_of_similar_names_know_their_own_runs() -> None:
    """The runs of a schedule are not those of one whose name begins alike."""
    names = ["a", "a-b", "a_b"]
    twins = [Schedule(report, cron="0 6 * * *", name=name) for name in names]
    async with Flowstone("twins", Pipeline(report), schedules=twins).local() as stone:
        for name in names:
            await (await stone.schedules.trigger(name, at=AT)).wait()

        runs = [list(status.runs) for status in await stone.schedules.list()]

        assert [len(found) for found in runs] == [1, 1, 1]
        assert len({run for found in runs for run in found}) == 3


async def test_a_trigger_that_goes_on_is_joined() -> None:
    """Who asks for the same time twice at once gets the same run."""
    async with app.local() as stone:
        first = await stone.schedules.trigger("report", at=AT)
        second = await stone.schedules.trigger("report", at=AT)

        assert second.id == first.id
        await first.wait()


async def test_a_run_of_a_schedule_fails_as_any_other() -> None:
    """What its asset raises is what the run says."""
    async with app.local() as stone:
        run = await stone.schedules.trigger("broken", at=AT)

        with pytest.raises(AssetFailed, match="no"):
            await run.result()


async def test_what_needs_a_clock_is_refused() -> None:
    """In one process nobody is there all the time; the refusal says what is."""
    async with app.local() as stone:
        schedules = stone.schedules
        for refused in (
            schedules.apply(),
            schedules.pause("report"),
            schedules.resume("report"),
            schedules.backfill("report", AT, AT),
        ):
            with pytest.raises(NotSupported, match="in this process.*trigger"):
                await refused
        with pytest.raises(NotSupported, match="overlap='wait'"):
            await schedules.backfill("report", AT, AT, overlap="wait")  # pyright: ignore[reportArgumentType]
        with pytest.raises(UnknownSchedule, match="no schedule 'nightly'"):
            await schedules.trigger("nightly")
        with pytest.raises(RunError, match="says no time zone"):
            await schedules.trigger("report", at=datetime(2025, 1, 1))  # noqa: DTZ001


def test_an_app_refuses_schedules_that_cannot_be() -> None:
    """All problems are told when the app is built, with those of its other parts."""
    schedules = [
        Schedule("nothing", cron="0 6 * * *"),
        Schedule(report, cron="0 6 * * *"),
        Schedule(report, cron="0 7 * * *"),
    ]

    with pytest.raises(ConfigurationError) as caught:
        Flowstone("Timed", Pipeline(report), schedules=schedules)

    assert len(caught.value.problems) == 3
