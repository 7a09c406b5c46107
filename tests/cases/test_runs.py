"""Runs: the lines of the cases on the run API and on execution, in this process."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import pytest

from flowstone import (
    AssetFailed,
    Context,
    Fatal,
    Flowstone,
    Pipeline,
    Retry,
    RetryAfter,
    RunCancelled,
    Skip,
    Snooze,
    UpstreamFailed,
    UpstreamMissing,
    ValueNotFound,
    asset,
)

SOON = timedelta(milliseconds=5)


@asset
def numbers() -> list[int]:
    return [1, 2, 3, 4, 5]


@asset
def doubled(numbers: list[int]) -> list[int]:
    return [2 * n for n in numbers]


@asset
def total(doubled: list[int]) -> int:
    return sum(doubled)


@asset
def dated(ctx: Context) -> str:
    return f"data_for_{ctx.partition}"


APP = Flowstone("numbers", Pipeline(numbers, doubled, total, dated))


async def test_all_upstream_is_made() -> None:
    """Making an asset with all upstream needs nothing made before (API-02, API-21)."""
    async with APP.local() as stone:
        assert await (await stone.materialize_all(total)).result() == 30


async def test_each_partition_has_a_value_of_its_own() -> None:
    """Values of two partitions do not meet (API-09, API-11, API-12)."""
    async with APP.local() as stone:
        await (await stone.materialize(dated, "p1")).result()
        await (await stone.materialize(dated, "p2")).result()

        assert await stone.value(dated, "p1") == "data_for_p1"
        assert await stone.value(dated, "p2") == "data_for_p2"
        assert await stone.exists(dated, "p1")
        assert not await stone.exists(dated, "other_partition")
        with pytest.raises(ValueNotFound, match="no value of 'total'"):
            await stone.value(total)


async def test_only_the_asset_needs_what_it_reads() -> None:
    """Making only one asset needs what it reads (API-10, API-22, EXE-01, EXE-02)."""
    async with APP.local() as stone:
        with pytest.raises(UpstreamMissing, match="needs 'doubled'"):
            await (await stone.materialize(total)).result()
        await (await stone.materialize_all(doubled)).result()
        assert await (await stone.materialize(total)).result() == 30


async def test_invalidating_takes_values_away_and_counts_them() -> None:
    """Invalidating one partition leaves the others (API-13, API-14, API-31)."""
    async with APP.local() as stone:
        assert await stone.invalidate(dated, "never") == 0
        for key in ("inv_a", "inv_b"):
            await (await stone.materialize(dated, key)).result()
        assert await stone.invalidate(dated, "inv_a") == 1
        assert not await stone.exists(dated, "inv_a")
        assert await stone.exists(dated, "inv_b")

        await (await stone.materialize_all(total)).result()
        assert await stone.invalidate(numbers, cascade=True) == 3
        assert not await stone.exists(total)


async def test_status_tells_what_is_the_case() -> None:
    """Status is one word, with why where there is a why (API-15, API-33, EXE-09)."""

    @asset
    def failing() -> int:
        message = "simulated failure"
        raise ValueError(message)

    @asset
    def slow() -> int:
        time.sleep(0.3)
        return 1

    async with Flowstone("t", Pipeline(failing, slow, numbers)).local() as stone:
        assert (await stone.status(numbers)).state == "never_run"
        await (await stone.materialize(numbers)).wait()
        assert (await stone.status(numbers)).state == "fresh"
        await (await stone.materialize(failing)).wait()
        failed = await stone.status(failing)
        run = await stone.materialize(slow)
        await asyncio.sleep(0.15)
        running = await stone.status(slow)
        await run.wait()

    assert (failed.state, "simulated failure" in failed.reason) == ("failed", True)
    assert running.state == "running"


async def test_a_backfill_counts_what_it_made_and_what_was_there() -> None:
    """A backfill makes what is missing and counts the rest (API-16, API-17, API-24).

    API-18 with a window of two; API-26: what has succeeded before is not made again.
    """
    async with APP.local() as stone:
        await (await stone.materialize(dated, "d1")).result()
        run = await stone.backfill(dated, ["d1", "d2", "d3", "d4"], max_parallel=2)
        report = await run.result()

        assert (report.succeeded, report.skipped, report.failed) == (3, 1, 0)
        assert list(report.outcomes) == ["d1", "d2", "d3", "d4"]
        assert await stone.value(dated, "d3") == "data_for_d3"


async def test_a_backfill_names_each_failure_and_goes_on_or_stops() -> None:
    """A failed partition is named with why; the rest goes on, or not (API-37)."""

    @asset
    def picky(ctx: Context) -> str:
        if ctx.partition == "bad":
            message = "not this one"
            raise ValueError(message)
        return str(ctx.partition)

    keys = ["bad", "b", "c", "d", "e", "f"]
    async with Flowstone("t", Pipeline(picky)).local() as stone:
        on = await (await stone.backfill(picky, keys, max_parallel=1)).result()
        assert (on.succeeded, on.failed) == (5, 1)
        assert "not this one" in on.errors["bad"].message
    async with Flowstone("t", Pipeline(picky)).local() as stone:
        run = await stone.backfill(picky, keys, max_parallel=1, on_failure="stop")
        off = await run.result()

    assert off.failed == 1
    assert off.cancelled > 0


def test_a_pipeline_lists_its_assets() -> None:
    """Assets are listed, and each tells what it needs (API-20)."""
    pipeline = APP.pipeline

    assert set(pipeline.assets) == {"numbers", "doubled", "total", "dated"}
    assert [n.asset for n in pipeline.needs["doubled"]] == ["numbers"]


async def test_a_timeout_ends_an_attempt_at_once() -> None:
    """A function that runs too long fails when its time is up (API-34, EXE-19)."""

    @asset(timeout=timedelta(milliseconds=50))
    def endless(ctx: Context) -> int:
        ends = time.monotonic() + 5
        while time.monotonic() < ends and not ctx.cancelled:
            time.sleep(0.01)
        return 1

    async with Flowstone("t", Pipeline(endless)).local() as stone:
        began = time.monotonic()
        with pytest.raises(AssetFailed, match="TimeoutError.*longer than its timeout"):
            await (await stone.materialize(endless)).result()

    assert time.monotonic() - began < 3


async def test_a_diamond_runs_its_source_once() -> None:
    """Each asset runs once in a run, under every policy (API-39)."""
    calls: list[str] = []

    @asset
    def source() -> int:
        calls.append("source")
        return 1

    @asset
    def left(source: int) -> int:
        return source + 1

    @asset
    def right(source: int) -> int:
        return source + 2

    @asset
    def sink(left: int, right: int) -> int:
        return left + right

    async with Flowstone("t", Pipeline(source, left, right, sink)).local() as stone:
        for _ in range(2):
            run = await stone.materialize_all(sink, policy="always")
            assert await run.result() == 5

    assert calls == ["source"] * 2


async def test_retries_are_for_what_may_pass() -> None:
    """What fails twice succeeds at the third attempt (EXE-14, EXE-15, ERR-05)."""
    attempts: list[int] = []

    @asset(retry=Retry(attempts=3, delay=SOON, fatal=(LookupError,)))
    def flaky(ctx: Context) -> int:
        attempts.append(ctx.attempt)
        if ctx.attempt < 3:
            message = "not yet"
            raise ValueError(message)
        return ctx.attempt

    @asset(retry=Retry(attempts=5, delay=SOON, fatal=(LookupError,)))
    def hopeless(ctx: Context) -> int:
        attempts.append(10 * ctx.attempt)
        raise KeyError("gone")

    @asset(retry=Retry(attempts=5, delay=SOON))
    def final() -> int:
        attempts.append(100)
        raise Fatal("never")

    async with Flowstone("t", Pipeline(flaky, hopeless, final)).local() as stone:
        assert await (await stone.materialize(flaky)).result() == 3
        with pytest.raises(AssetFailed, match="KeyError"):
            await (await stone.materialize(hopeless)).result()
        with pytest.raises(AssetFailed, match="Fatal: never"):
            await (await stone.materialize(final)).result()

    assert attempts == [1, 2, 3, 10, 100]


async def test_a_function_may_say_when_to_be_asked_again() -> None:
    """RetryAfter and Snooze come back after the time they name (ERR-05)."""
    asked: list[str] = []

    @asset
    def later() -> int:
        asked.append("later")
        if len(asked) == 1:
            raise RetryAfter(SOON)
        return 1

    @asset(retry=Retry(attempts=2, delay=SOON))
    def bounded() -> int:
        asked.append("bounded")
        raise RetryAfter(SOON)

    @asset
    def snoozing(ctx: Context) -> int | Snooze:
        asked.append(f"snoozing {ctx.attempt}")
        return Snooze(SOON) if len(asked) < 7 else 1

    async with Flowstone("t", Pipeline(later, bounded, snoozing)).local() as stone:
        assert await (await stone.materialize(later)).result() == 1
        with pytest.raises(AssetFailed, match="after 2 attempts"):
            await (await stone.materialize(bounded)).result()
        assert await (await stone.materialize(snoozing)).result() == 1

    assert asked == ["later"] * 2 + ["bounded"] * 2 + ["snoozing 1"] * 3


async def test_a_failed_upstream_fails_what_needs_it() -> None:
    """What needs a failed upstream is not attempted, and says so (EXE-17)."""
    calls: list[str] = []

    @asset
    def failing() -> int:
        message = "it broke"
        raise ValueError(message)

    @asset
    def reader(failing: int) -> int:
        calls.append("reader")
        return failing

    async with Flowstone("t", Pipeline(failing, reader)).local() as stone:
        run = await stone.materialize_all(reader)
        with pytest.raises(UpstreamFailed, match="upstream 'failing' failed") as it:
            await run.result()

    assert isinstance(it.value.cause, AssetFailed)
    assert calls == []


async def test_a_skipped_upstream_skips_or_gives_the_default() -> None:
    """Who needs what was skipped is skipped; an optional one gets its default."""

    @asset
    def skipped() -> int | Skip:
        return Skip("nothing new")

    @asset
    def needs(skipped: int) -> int:
        return skipped

    @asset
    def bears(skipped: int | None = None) -> str:
        return f"got {skipped}"

    async with Flowstone("t", Pipeline(skipped, needs, bears)).local() as stone:
        with pytest.raises(ValueNotFound, match="skipped"):
            await (await stone.materialize_all(needs)).result()
        assert await (await stone.materialize_all(bears)).result() == "got None"


async def test_what_this_run_made_is_what_it_reads() -> None:
    """A run reads the upstream that it made, not an older value (EXE-18)."""
    state = {"value": 1}

    @asset
    def source() -> int:
        return state["value"]

    @asset
    def reader(source: int) -> int:
        return source

    async with Flowstone("t", Pipeline(source, reader)).local() as stone:
        assert await (await stone.materialize_all(reader)).result() == 1
        state["value"] = 2
        run = await stone.materialize_all(reader, policy="always")
        assert await run.result() == 2


async def test_a_system_exit_is_a_failure() -> None:
    """Code that asks the interpreter to end fails its asset, no more (EXE-21)."""

    @asset
    def leaving() -> int:
        raise SystemExit(3)

    async with Flowstone("t", Pipeline(leaving, numbers)).local() as stone:
        with pytest.raises(AssetFailed, match="SystemExit: 3"):
            await (await stone.materialize(leaving)).result()
        assert await (await stone.materialize(numbers)).result() == [1, 2, 3, 4, 5]


async def test_a_run_is_a_record() -> None:
    """A run is kept with its asset, its times and how it ended (EXE-10, EXE-09)."""
    async with APP.local() as stone:
        run = await stone.materialize_all(total, "p")
        outcome = await run.wait()
        [row] = await stone.runs.list()

    assert (row.id, row.request.asset, row.request.key) == (run.id, "total", "p")
    assert outcome.status == row.status == "succeeded"
    assert outcome.progress.made == 3
    assert row.started_at is not None
    assert row.ended_at is not None


async def test_cancelling_reaches_the_function() -> None:
    """A cancelled run stops its function and ends as cancelled."""
    seen: list[str] = []

    @asset
    async def sleeping() -> int:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise
        return 1

    @asset
    def looping(ctx: Context) -> int:
        while True:
            ctx.heartbeat()
            time.sleep(0.01)

    async with Flowstone("t", Pipeline(sleeping, looping)).local() as stone:
        for one in (sleeping, looping):
            run = await stone.materialize(one)
            await asyncio.sleep(0.2)
            await run.cancel()
            with pytest.raises(RunCancelled):
                await asyncio.wait_for(run.result(), 10)
            assert await run.status() == "cancelled"

    assert seen == ["cancelled"]


async def test_versions_stay_and_can_be_read() -> None:
    """Each version is kept, and is read by its id (IO-16)."""
    state = {"value": 1}

    @asset
    def changing() -> int:
        return state["value"]

    async with Flowstone("t", Pipeline(changing)).local() as stone:
        await (await stone.materialize(changing)).result()
        first = (await stone.status(changing)).version
        state["value"] = 2
        await (await stone.materialize(changing, policy="always")).result()

        assert await stone.value(changing) == 2
        assert await stone.value(changing, version=first) == 1


async def test_what_is_volatile_is_made_again() -> None:
    """An asset that says it is volatile is never reused."""
    calls: list[int] = []

    @asset(volatile=True)
    def clock() -> int:
        calls.append(1)
        return len(calls)

    async with Flowstone("t", Pipeline(clock)).local() as stone:
        assert await (await stone.materialize(clock)).result() == 1
        assert await (await stone.materialize(clock)).result() == 2


async def test_a_reader_that_changes_its_input_disturbs_nobody() -> None:
    """Each reader gets a value of its own."""

    @asset
    def source() -> list[int]:
        return [1]

    @asset
    def vandal(source: list[int]) -> list[int]:
        source.append(2)
        return source

    @asset
    def reader(source: list[int], vandal: list[int]) -> list[list[int]]:
        return [source, vandal]

    async with Flowstone("t", Pipeline(source, vandal, reader)).local() as stone:
        run = await stone.materialize_all(reader)
        assert await run.result() == [[1], [1, 2]]
