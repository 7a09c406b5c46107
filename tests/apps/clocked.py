"""An app with each way a schedule's fire and a sensor's look can go, for histories."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from flowstone import (
    Context,
    Flowstone,
    Found,
    Pipeline,
    Schedule,
    Secrets,
    Sensor,
    Trigger,
    asset,
    previous_day,
)

NOW = timedelta(0)
DAILY = "0 6 * * *"


@asset
def rows(ctx: Context) -> str:
    return str(ctx.partition)


@asset
def report(rows: str, ctx: Context) -> str:
    return f"{rows} at {ctx.scheduled_at}"


@asset
def broken() -> int:
    raise ValueError("no")


@asset
async def slow() -> int:
    await asyncio.sleep(60)
    return 1


def unsure(_: datetime) -> str:
    raise LookupError("which day?")


def look(cursor: int | None) -> Found:
    first = cursor or 0
    return Found([Trigger(report, n) for n in range(first, first + 2)], first + 2)


def stuck(_: object) -> Found:
    raise ConnectionError("the source is down")


app = Flowstone(
    "clocked",
    Pipeline(rows, report, broken, slow),
    schedules=[
        Schedule("report", cron=DAILY, jitter=NOW, partition=previous_day),
        Schedule("broken", cron=DAILY, jitter=NOW),
        Schedule("slow", cron=DAILY, jitter=NOW, partition=None),
        Schedule("report", cron=DAILY, jitter=NOW, name="unsure", partition=unsure),
    ],
    sensors=[Sensor("news", check=look), Sensor("stuck", check=stuck)],
    secrets=Secrets({"test": b"a secret of the tests"}),
)
