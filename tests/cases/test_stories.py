"""Whole stories: the lines of the cases that come from examples."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from typing import TypedDict

import pytest

from flowstone import (
    MINUTE,
    AssetFailed,
    BadPayload,
    Context,
    Flowstone,
    Pipeline,
    Signal,
    asset,
)


async def test_hello() -> None:
    """The first example says hello, twice (E2E-01)."""

    @asset
    def greeting() -> str:
        return "Hello, World!"

    async with Flowstone("hello", Pipeline(greeting)).local() as stone:
        for _ in range(2):
            run = await stone.materialize(greeting)
            assert await run.result() == "Hello, World!"


async def test_daily_summary() -> None:
    """A summary of each day is made from the data of that day (E2E-03)."""

    @asset
    def daily_data(ctx: Context) -> str:
        return f"Data generated for {ctx.partition}"

    @asset
    def daily_summary(daily_data: str, ctx: Context) -> str:
        return f"Summary for {ctx.partition}: {daily_data}"

    days = [date(2025, 1, d) for d in (15, 16, 17)]
    async with Flowstone("t", Pipeline(daily_data, daily_summary)).local() as stone:
        for day in days:
            run = await stone.materialize_all(daily_summary, day)
            assert await run.result() == f"Summary for {day}: Data generated for {day}"
        assert all([await stone.exists(daily_summary, day) for day in days])
        assert "2025-01-16" in await stone.value(daily_summary, days[1])


async def test_backfill_of_aggregates() -> None:
    """A backfill makes five, then none, then the one that is asked for (E2E-04)."""

    @asset
    def metrics(ctx: Context) -> dict[str, int]:
        return {"value": len(str(ctx.partition)) * 10}

    @asset
    def aggregated(metrics: dict[str, int]) -> dict[str, int]:
        return {"processed_value": 2 * metrics["value"]}

    keys = [f"day{n}" for n in range(1, 6)]
    async with Flowstone("t", Pipeline(metrics, aggregated)).local() as stone:
        first = await (await stone.backfill(aggregated, keys)).result()
        again = await (await stone.backfill(aggregated, keys)).result()
        one = await (
            await stone.backfill(aggregated, ["day1"], policy="always")
        ).result()

        assert (first.succeeded, first.failed, first.skipped) == (5, 0, 0)
        assert (again.succeeded, again.failed, again.skipped) == (0, 0, 5)
        assert one.succeeded == 1
        for key in keys:
            value = (await stone.value(metrics, key))["value"]
            assert await stone.value(aggregated, key) == {"processed_value": 2 * value}


async def test_echo() -> None:
    """An echo answers in capitals (E2E-05)."""

    @asset
    def source() -> str:
        return "hello"

    @asset
    def echo(source: str) -> str:
        return source.upper()

    async with Flowstone("t", Pipeline(source, echo)).local() as stone:
        assert await (await stone.materialize_all(echo, "demo")).result() == "HELLO"


async def test_a_failure_leaves_no_value() -> None:
    """A failed asset is recorded as failed, with why, and has no value (E2E-07)."""

    @asset
    def failing() -> int:
        message = "simulated failure"
        raise RuntimeError(message)

    async with Flowstone("t", Pipeline(failing)).local() as stone:
        run = await stone.materialize(failing)
        with pytest.raises(AssetFailed, match="simulated failure"):
            await run.result()
        assert await run.status() == "failed"
        assert not await stone.exists(failing)


class Reply(TypedDict, total=False):
    status: str
    embeddings: list[float]
    error: str


@pytest.mark.parametrize(
    ("payload", "outcome"),
    [
        ({"status": "success", "embeddings": [0.5, 1.5]}, [0.5, 1.5]),
        ({"status": "failed", "error": "out of memory"}, "out of memory"),
        ({"status": "strange"}, "invalid payload"),
        ("not even a mapping", BadPayload),
    ],
)
async def test_a_gate_takes_its_answer(payload: object, outcome: object) -> None:
    """A job's answer becomes the value, or the failure, of what waits (E2E-11)."""
    started: list[str] = []

    @asset
    def embedded(ctx: Context) -> list[float] | Signal[list[float]]:
        started.append(ctx.token)
        return Signal(timeout=timedelta(hours=1))

    @embedded.on_signal
    def embedding_ready(reply: Reply) -> list[float]:
        if reply.get("status") == "success":
            return reply.get("embeddings", [])
        raise RuntimeError(reply.get("error", "invalid payload"))

    async with Flowstone("t", Pipeline(embedded)).local() as stone:
        run = await stone.materialize(embedded)
        for _ in range(100):
            if await stone.gates.list():
                break
            await asyncio.sleep(0.02)
        assert (await stone.status(embedded)).state == "waiting"
        if outcome is BadPayload:
            with pytest.raises(BadPayload):
                await stone.gates.signal(started[0], payload)
            return
        await stone.gates.signal(started[0], payload)
        if isinstance(outcome, list):
            assert await run.result() == outcome
        else:
            with pytest.raises(AssetFailed, match=str(outcome)):
                await run.result()


async def test_an_answer_cannot_ask_for_another() -> None:
    """An `.on_signal` that waits again is refused: its answer is there already."""
    tokens: list[str] = []

    @asset
    def endless(ctx: Context) -> int | Signal[int]:
        tokens.append(ctx.token)
        return Signal(timeout=MINUTE)

    @endless.on_signal
    def again(payload: int) -> Signal[int]:
        return Signal(timeout=MINUTE)

    async with Flowstone("endless", Pipeline(endless)).local() as stone:
        run = await stone.materialize(endless)
        while not await stone.gates.list():
            await asyncio.sleep(0.01)
        await stone.gates.signal(tokens[0], 1)
        outcome = await asyncio.wait_for(run.wait(), 10)

    assert outcome.status == "failed"
    assert ".on_signal of 'endless'" in str(outcome.error)
