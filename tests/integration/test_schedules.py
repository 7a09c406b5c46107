"""Schedules on a real Temporal: applied, fired, paused, triggered and filled in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

import pytest
from temporalio.client import (
    Schedule as Kept,
)
from temporalio.client import (
    ScheduleActionStartWorkflow,
    ScheduleSpec,
    WorkflowFailureError,
)

from flowstone import (
    Client,
    ConfigurationError,
    Context,
    Flowstone,
    Pipeline,
    RunError,
    Schedule,
    UnknownSchedule,
    asset,
    previous_day,
)
from flowstone.core.timetable import Change
from flowstone.testing import Served

pytestmark = [pytest.mark.service, pytest.mark.timeout(120)]

T = TypeVar("T")
ZURICH = ZoneInfo("Europe/Zurich")
NOW = timedelta(0)


@asset
def report(ctx: Context) -> str:
    """Say for which partition it was made, and when that should have been."""
    return f"{ctx.partition} at {ctx.scheduled_at}"


@asset
def broken() -> str:
    raise ValueError("no such day")


PIPELINE = Pipeline(report, broken)
NIGHTLY = Schedule(report, cron="0 6 * * *", timezone="Europe/Zurich", jitter=NOW)
app = Flowstone("clocks", PIPELINE, schedules=[NIGHTLY])


def with_schedules(served: Served, *schedules: Schedule) -> None:
    """Have an app declare other schedules from now on."""
    served.toolbox.schedules = {s.name: s for s in schedules}


async def until(
    look: Callable[[], Awaitable[T]], what: str = "it", within: float = 30
) -> T:
    """Wait until something is there."""
    async with asyncio.timeout(within):
        while True:
            found = await look()
            if found:
                return found
            await asyncio.sleep(0.1)
    raise AssertionError(what)


async def keys_of(stone: Client, schedule: str, many: int) -> list[str]:
    """Give the keys of the runs of a schedule, once there are so many and they ended."""

    async def look() -> list[str]:
        rows = [
            r
            for r in await stone.runs.list(limit=100)
            if r.request.schedule == schedule
        ]
        ended = [r for r in rows if r.status not in {"starting", "running"}]
        return sorted(r.request.key for r in ended) if len(ended) >= many else []

    return await until(look, f"{many} runs of {schedule}")


# --- applying -----------------------------------------------------------------------


@pytest.mark.flowstone(app)
async def test_apply_makes_temporal_agree(flowstone_served: Served) -> None:
    """It creates, updates, deletes what is gone; then nothing is to do (SCH-01)."""
    stone, served = flowstone_served.stone, flowstone_served

    first = await stone.schedules.apply()
    again = await stone.schedules.apply()
    weekly = Schedule(report, cron="0 7 * * MON", jitter=NOW, name="weekly")
    later = Schedule(report, cron="0 8 * * *", timezone="Europe/Zurich", jitter=NOW)
    with_schedules(served, later, weekly)
    tried = await stone.schedules.apply(dry_run=True)
    second = await stone.schedules.apply()
    with_schedules(served, weekly)
    third = await stone.schedules.apply()

    assert first.changes == [Change(kind="create", what="schedule", name="report")]
    assert str(again) == "nothing to do"
    assert str(second) == (
        "update schedule report: cron '0 6 * * *' -> '0 8 * * *'\n"
        "create schedule weekly"
    )
    assert tried.changes == second.changes
    assert third.changes == [Change(kind="delete", what="schedule", name="report")]
    [kept] = await stone.schedules.list()
    assert [(t.weekday(), t.hour) for t in kept.next] == [(0, 7)] * 5
    actions = [e.action for e in await stone.audit.list() if e.actor == "test"]
    assert actions == [
        "schedule.delete",
        "schedule.create",
        "schedule.update",
        "schedule.create",
    ]


@pytest.mark.flowstone(app)
async def test_apply_touches_nothing_but_its_own(flowstone_served: Served) -> None:
    """A schedule that somebody else made is left alone, whatever its id."""
    stone, temporal = flowstone_served.stone, flowstone_served.temporal
    name = flowstone_served.toolbox.name
    action = ScheduleActionStartWorkflow("other", id="other", task_queue="other")
    other = Kept(action=action, spec=ScheduleSpec(cron_expressions=["0 0 1 1 *"]))
    ids = [f"flowstone/{name}/schedule/other", f"flowstone/{name}x/schedule/report"]
    for identity in ids:
        await temporal.create_schedule(identity, other)

    applied = await stone.schedules.apply()
    with_schedules(flowstone_served, Schedule(report, cron="0 0 * * *", name="other"))

    assert applied.left == ids[:1]
    with pytest.raises(ConfigurationError, match="is not this app's"):
        await stone.schedules.apply()
    for identity in ids:
        await temporal.get_schedule_handle(identity).describe()


@pytest.mark.flowstone(app)
async def test_what_is_paused_stays_paused(flowstone_served: Served) -> None:
    """An operator's pause survives every apply, until somebody resumes it."""
    stone = flowstone_served.stone
    await stone.schedules.apply()
    await stone.schedules.pause("report", "the source is down")
    with_schedules(
        flowstone_served, Schedule(report, cron="0 5 * * *", timezone="Europe/Zurich")
    )

    await stone.schedules.apply()
    [paused] = await stone.schedules.list()
    await stone.schedules.resume("report")
    [resumed] = await stone.schedules.list()

    assert (paused.state, list(paused.next)) == ("paused", [])
    assert paused.placed is not None
    assert paused.placed.note == "the source is down (test)"
    assert resumed.state == "active"
    local = [t.astimezone(ZURICH) for t in resumed.next]
    assert [t.hour for t in local] == [5] * 5
    with pytest.raises(UnknownSchedule, match="no schedule 'another'"):
        await stone.schedules.pause("another")


@pytest.mark.flowstone(app)
async def test_the_server_judges_expressions(flowstone_served: Served) -> None:
    """What the server refuses is named, all of it, and then nothing is changed."""
    stone = flowstone_served.stone
    wrong = [
        Schedule(report, cron="61 * * * *", name="minute"),
        Schedule(report, cron="0 25 * * *", name="hour"),
    ]
    with_schedules(flowstone_served, NIGHTLY, *wrong)

    with pytest.raises(ConfigurationError) as caught:
        await stone.schedules.apply()
    with_schedules(flowstone_served, NIGHTLY)

    assert [p.split(":")[0] for p in caught.value.problems] == [
        "The schedule 'minute'",
        "The schedule 'hour'",
    ]
    assert [s.state for s in await stone.schedules.list()] == ["not_applied"]


@pytest.mark.flowstone(app)
async def test_what_may_surprise_is_told(flowstone_served: Served) -> None:
    """Both days, a comment, hours that clocks leave out, and times that never are."""
    stone = flowstone_served.stone
    odd = {
        "both": "0 0 13 * FRI",
        "comment": "0 0 * * MON#2",
        "gap": "30 2 * * *",
        "never": "0 0 31 2 *",
    }
    with_schedules(
        flowstone_served,
        *(
            Schedule(report, cron=cron, name=name, timezone="Europe/Zurich")
            for name, cron in odd.items()
        ),
    )

    said = (await stone.schedules.apply(dry_run=True)).warnings

    assert {text.split(":")[0] for text in said} == set(odd)
    assert any("does not exist that day" in text for text in said)
    assert any("comes twice" in text for text in said)


@pytest.mark.flowstone(app)
async def test_two_applies_at_once_are_one(flowstone_served: Served) -> None:
    """Whoever deploys twice at the same moment has the schedules once."""
    stone = flowstone_served.stone

    await asyncio.gather(*(stone.schedules.apply() for _ in range(4)))
    with_schedules(flowstone_served)
    await asyncio.gather(*(stone.schedules.apply() for _ in range(4)))

    with_schedules(flowstone_served, NIGHTLY)
    assert [s.state for s in await stone.schedules.list()] == ["not_applied"]


# --- firing -------------------------------------------------------------------------


def every_second(name: str = "report", **more: object) -> Schedule:
    return Schedule(
        "report",
        cron="* * * * * * *",
        jitter=NOW,
        name=name,
        partition=lambda at: at,
        overlap="allow_all",
        **more,  # pyright: ignore[reportArgumentType]
    )


@pytest.mark.flowstone(app)
async def test_a_schedule_fires_by_itself(flowstone_served: Served) -> None:
    """It makes the partition of the time at which it should have fired (SCH-06, SCH-08)."""
    stone = flowstone_served.stone
    with_schedules(flowstone_served, every_second())
    began = datetime.now(UTC)

    await stone.schedules.apply()
    await keys_of(stone, "report", 2)
    with_schedules(flowstone_served)
    await stone.schedules.apply()
    rows = await stone.runs.list()
    await asyncio.sleep(2)

    assert len(await stone.runs.list()) <= len(rows) + 1
    for row in rows:
        at = datetime.fromisoformat(row.request.scheduled_at)
        assert began - timedelta(seconds=1) <= at <= datetime.now(UTC)
        value = await (await stone.runs.get(row.id)).result()
        assert value == f"{at} at {at}"
        assert row.actor == "schedule:report"


@pytest.mark.flowstone(app)
async def test_jitter_moves_the_run_and_not_its_partition(
    flowstone_served: Served,
) -> None:
    """A fire is late at random; its partition is of the time that was meant."""
    stone = flowstone_served.stone
    even = Schedule(
        report,
        cron="*/2 * * * * * *",
        jitter=timedelta(seconds=1),
        partition=lambda at: at,
    )
    with_schedules(flowstone_served, even)

    await stone.schedules.apply()
    keys = await keys_of(stone, "report", 2)
    await stone.schedules.pause("report")

    assert all(datetime.fromisoformat(key).second % 2 == 0 for key in keys)


@pytest.mark.flowstone(app)
async def test_days_on_which_clocks_change(flowstone_served: Served) -> None:
    """Over both changes each day is made once, as the zone counts them (SCH-08)."""
    stone = flowstone_served.stone
    daily = Schedule(
        report,
        cron="30 0 * * *",
        timezone="Europe/Zurich",
        partition=previous_day,
        jitter=NOW,
    )
    with_schedules(flowstone_served, daily)
    await stone.schedules.apply()
    days: list[str] = []

    for first in (date(2025, 3, 28), date(2025, 10, 24)):
        start = datetime.combine(first, datetime.min.time(), ZURICH)
        fires = await stone.schedules.backfill(
            "report", start, start + timedelta(days=5), overlap="allow_all"
        )
        days += [str(first + timedelta(days=n - 1)) for n in range(5)]
        assert [(t.astimezone(ZURICH).hour, t.minute) for t in fires] == [(0, 30)] * 5

    assert await keys_of(stone, "report", 10) == sorted(days)


@pytest.mark.flowstone(app)
async def test_an_hour_that_is_not_there_and_one_that_comes_twice(
    flowstone_served: Served,
) -> None:
    """In the gap nothing fires; of an hour that is repeated, the day is made once."""
    stone = flowstone_served.stone
    nightly = Schedule(report, cron="30 2 * * *", timezone="Europe/Zurich", jitter=NOW)
    with_schedules(flowstone_served, nightly)
    await stone.schedules.apply()

    spring = await stone.schedules.backfill(
        "report",
        datetime(2025, 3, 29, tzinfo=ZURICH),
        datetime(2025, 4, 1, tzinfo=ZURICH),
    )
    autumn = await stone.schedules.backfill(
        "report",
        datetime(2025, 10, 25, tzinfo=ZURICH),
        datetime(2025, 10, 28, tzinfo=ZURICH),
    )
    keys = await keys_of(stone, "report", len(spring) + len(autumn))

    assert [t.astimezone(ZURICH).day for t in spring] == [29, 31]
    assert sorted({t.astimezone(ZURICH).day for t in autumn}) == [25, 26, 27]
    assert sorted(set(keys)) == [
        *("2025-03-29", "2025-03-31"),
        *("2025-10-25", "2025-10-26", "2025-10-27"),
    ]
    made = [
        event.key
        for row in await stone.runs.list()
        for event in await (await stone.runs.get(row.id)).events()
        if event.outcome == "produced"
    ]
    assert sorted(made) == sorted(set(keys))


@pytest.mark.flowstone(app)
async def test_a_backfill_has_both_ends(flowstone_served: Served) -> None:
    """A fire at the very beginning is one, and so is one at the end."""
    stone = flowstone_served.stone
    await stone.schedules.apply()
    first, last = (datetime(2025, 1, day, 6, tzinfo=ZURICH) for day in (8, 10))

    days = await stone.schedules.backfill("report", first, last)
    keys = await keys_of(stone, "report", 3)
    [one] = await stone.schedules.backfill("report", first, first)

    assert [t.astimezone(ZURICH).day for t in days] == [8, 9, 10]
    assert keys == ["2025-01-08", "2025-01-09", "2025-01-10"]
    assert one == first


@pytest.mark.flowstone(app)
async def test_a_backfill_through_a_schedule_is_bounded(
    flowstone_served: Served,
) -> None:
    """What Temporal would drop is refused before it is asked for."""
    stone = flowstone_served.stone
    await stone.schedules.apply()
    start = datetime(2020, 1, 1, tzinfo=UTC)

    with pytest.raises(RunError, match="1000 fires or more"):
        await stone.schedules.backfill("report", start, start + timedelta(days=1500))
    with pytest.raises(RunError, match="says no time zone"):
        await stone.schedules.backfill(
            "report",
            datetime(2025, 1, 1),  # noqa: DTZ001
            datetime(2025, 1, 2),  # noqa: DTZ001
        )


# --- triggering ---------------------------------------------------------------------


@pytest.mark.flowstone(app)
async def test_a_trigger_makes_what_the_schedule_would(
    flowstone_served: Served,
) -> None:
    """The run of a past time has its partition; asked for again, a new run reuses it."""
    stone = flowstone_served.stone
    at = datetime(2025, 1, 16, 6, tzinfo=ZURICH)

    run = await stone.schedules.trigger("report", at=at)
    again = await stone.schedules.trigger("report", at=at)

    assert await run.result() == "2025-01-16 at 2025-01-16 05:00:00+00:00"
    assert await again.result() == await run.result()
    assert (await stone.lineage.upstream(report, date(2025, 1, 16))) == []
    [status] = await stone.schedules.list()
    assert set(status.runs) == {run.id, again.id}


@pytest.mark.flowstone(app)
async def test_who_asks_for_the_same_at_once_gets_it_once(
    flowstone_served: Served,
) -> None:
    """Two schedules and a client that make one partition make it one time."""
    stone = flowstone_served.stone
    twin = Schedule(report, cron="0 6 * * *", name="twin", jitter=NOW)
    with_schedules(flowstone_served, NIGHTLY, twin)
    at = datetime(2025, 2, 1, 12, tzinfo=UTC)

    runs = await asyncio.gather(
        stone.schedules.trigger("report", at=at),
        stone.schedules.trigger("twin", at=at),
        stone.materialize_all(report, date(2025, 2, 1)),
    )
    values = [await run.result() for run in runs]

    assert len(set(values)) == 1
    produced = [
        e for run in runs for e in await run.events() if e.outcome == "produced"
    ]
    assert len(produced) == 1


@pytest.mark.flowstone(app)
async def test_a_fire_fails_as_its_asset_does(flowstone_served: Served) -> None:
    """The fire's workflow ends with the error of the run, data and all."""
    stone, temporal = flowstone_served.stone, flowstone_served.temporal
    failing = Schedule(broken, cron="0 6 * * *", jitter=NOW)
    with_schedules(flowstone_served, failing)

    run = await stone.schedules.trigger("broken", at=datetime(2025, 1, 1, tzinfo=UTC))
    outcome = await run.wait()

    assert outcome.status == "failed"
    [row] = await stone.runs.list()
    with pytest.raises(WorkflowFailureError) as caught:
        await temporal.get_workflow_handle(row.request.tick).result()
    assert getattr(caught.value.cause, "type", "") == "AssetFailed"
    assert "no such day" in str(caught.value.cause)


def unsure(_: datetime) -> str:
    raise LookupError("which day?")


@pytest.mark.flowstone(app)
async def test_a_partition_that_cannot_be_told_fails_the_fire(
    flowstone_served: Served,
) -> None:
    """A partition function that raises ends its fire, with what it said."""
    stone, temporal = flowstone_served.stone, flowstone_served.temporal
    with_schedules(
        flowstone_served,
        Schedule(report, cron="0 6 * * *", partition=unsure, jitter=NOW),
    )
    await stone.schedules.apply()
    start = datetime(2025, 1, 1, tzinfo=UTC)

    await stone.schedules.backfill("report", start, start + timedelta(days=1))
    tick = f"flowstone/{flowstone_served.toolbox.name}/schedule/report"
    tick += "-2025-01-01T06:00:00Z"

    async def ended() -> bool:
        listed = temporal.list_workflows(f"WorkflowId = '{tick}'")
        return bool([w async for w in listed])

    await until(ended)
    with pytest.raises(WorkflowFailureError) as caught:
        await temporal.get_workflow_handle(tick).result()
    assert "LookupError" in str(caught.value.cause)
    with pytest.raises(RunError, match="which day"):
        await stone.schedules.trigger("report")
    assert await stone.runs.list() == []


@asset
async def slow() -> str:
    await asyncio.sleep(60)
    return "late"


slow_app = Flowstone(
    "slow-clocks",
    Pipeline(slow),
    schedules=[Schedule(slow, cron="0 6 * * *", partition=None, jitter=NOW)],
)


@pytest.mark.flowstone(slow_app)
async def test_a_fire_that_is_cancelled_cancels_its_run(
    flowstone_served: Served,
) -> None:
    """What cancels a fire, as a later one may, ends its run in good order."""
    stone, temporal = flowstone_served.stone, flowstone_served.temporal
    run = await stone.schedules.trigger("slow")
    await until(lambda: _is_running(stone, run.id))
    [row] = await stone.runs.list()

    await temporal.get_workflow_handle(row.request.tick).cancel()

    assert (await run.wait()).status == "cancelled"
    with pytest.raises(WorkflowFailureError) as caught:
        await temporal.get_workflow_handle(row.request.tick).result()
    assert "ancel" in str(caught.value.cause)


@pytest.mark.flowstone(slow_app)
async def test_a_run_of_a_fire_can_be_cancelled(flowstone_served: Served) -> None:
    """Cancelling the run ends the fire that waits for it."""
    stone = flowstone_served.stone
    run = await stone.schedules.trigger("slow")
    await until(lambda: _is_running(stone, run.id))

    await run.cancel()

    assert (await run.wait()).status == "cancelled"


@pytest.mark.flowstone(slow_app)
async def test_a_fire_that_is_terminated_leaves_no_claim(
    flowstone_served: Served,
) -> None:
    """What terminates a fire, as a later one may, is found by whoever waits."""
    stone, temporal = flowstone_served.stone, flowstone_served.temporal
    run = await stone.schedules.trigger("slow")
    await until(lambda: _is_running(stone, run.id))
    [row] = await stone.runs.list()

    await temporal.get_workflow_handle(row.request.tick).terminate()

    assert (await run.wait()).status == "terminated"


async def _is_running(stone: Client, run: str) -> bool:
    return (await (await stone.runs.get(run)).progress()).running > 0
