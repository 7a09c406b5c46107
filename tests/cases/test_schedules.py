"""Schedules: the lines of the cases that need no server."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from flowstone import (
    ConfigurationError,
    Context,
    Flowstone,
    Pipeline,
    Schedule,
    UnknownSchedule,
    asset,
)


@asset
def foo(ctx: Context) -> str:
    return f"made for {ctx.partition}"


async def test_run_now_stores_under_the_key_of_its_function() -> None:
    """A schedule of every minute, run now, makes foo under "scheduled" (SCH-02)."""
    schedule = Schedule(foo, cron="* * * * *", partition=lambda _: "scheduled")
    async with Flowstone("t", Pipeline(foo), schedules=[schedule]).local() as stone:
        run = await stone.schedules.trigger("foo")

        assert await run.result() == "made for scheduled"
        assert await stone.value(foo, "scheduled") == "made for scheduled"


async def test_run_now_materialises_the_partition_of_today() -> None:
    """Without a function the partition is today's date in UTC (SCH-05, E2E-14)."""
    schedule = Schedule(foo, cron="0 2 * * *")
    async with Flowstone("t", Pipeline(foo), schedules=[schedule]).local() as stone:
        before = datetime.now(UTC).date()
        run = await stone.schedules.trigger("foo")

        assert run.partition in {before, datetime.now(UTC).date()}
        assert await run.result() == f"made for {run.partition}"
        assert await stone.exists(foo, run.partition)


async def test_a_schedule_has_a_name_of_its_own() -> None:
    """Two of one name are refused, two names for one asset are two; cron is a must.

    SCH-03, SCH-04.
    """
    daily = Schedule(foo, cron="0 2 * * *")
    twice = Schedule(foo, cron="0 3 * * *", name="late")

    with pytest.raises(ConfigurationError, match="Two schedules are called 'foo'"):
        Flowstone("t", Pipeline(foo), schedules=[daily, daily])
    with pytest.raises(TypeError, match="cron"):
        Schedule(foo)  # pyright: ignore[reportCallIssue]
    with pytest.raises(ConfigurationError, match="has 3 fields"):
        Schedule(foo, cron="not a cron")
    async with Flowstone("t", Pipeline(foo), schedules=[daily, twice]).local() as stone:
        assert [s.name for s in await stone.schedules.list()] == ["foo", "late"]
        with pytest.raises(UnknownSchedule):
            await stone.schedules.trigger("bar")
