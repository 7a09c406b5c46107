"""A shop with one asset for each thing that the command line may meet."""
# pyright: reportUnknownParameterType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
# pyarrow has no types

from __future__ import annotations

import os
import sys
import time
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa

from flowstone import (
    Approval,
    Context,
    Flowstone,
    Found,
    Pipeline,
    Schedule,
    Sensor,
    Signal,
    Skip,
    Trigger,
    asset,
    daily,
    one_of,
    previous_day,
    product,
)

sys.stdout.write("the module prints\n")

BROKEN_DAY = date(2025, 1, 12)
FIRST, LAST = date(2025, 1, 10), date(2025, 1, 13)


@asset
def raw() -> list[int]:
    sys.stdout.write("an asset prints\n")
    return [3, 1, 2]


@asset
def cleaned(raw: list[int], ctx: Context) -> list[int]:
    if ctx.partition == BROKEN_DAY:
        message = "it rained\nall day"
        raise ValueError(message)
    return sorted(raw)


@asset(partitions=daily(FIRST, LAST))
async def report(cleaned: list[int]) -> str:
    """Say how many rows there are."""
    return f"{len(cleaned)} rows"


@asset(partitions=product(date=daily(FIRST), region=one_of("eu", "us")))
def regional(ctx: Context) -> str:
    return str(ctx.partition)


@asset
def closed() -> int | Skip:
    return Skip("it is Sunday")


@asset
def picture() -> bytes:
    return b"\x89PNG"


@asset
def table() -> pa.Table:
    return pa.table({"a": [1, 2]})


@asset
def slow(ctx: Context) -> int:
    Path(os.environ["SHOP_FOLDER"], "slow").touch()
    for _ in range(600):
        time.sleep(0.05)
        ctx.heartbeat()
    return 1


@asset
def answered(ctx: Context) -> int | Signal[int]:
    Path(os.environ["SHOP_FOLDER"], "token").write_text(ctx.token)
    return Signal(timeout=timedelta(minutes=1))


def arrived(cursor: int | None) -> Found:
    """Find two days in each look."""
    first = cursor or FIRST.day
    days = [date(2025, 1, day) for day in (first, first + 1)]
    return Found([Trigger(report, day) for day in days], first + 2)


def quiet(_: object) -> Skip:
    return Skip("it is Sunday")


def stuck(_: object) -> Found:
    raise ConnectionError("the source is down")


@asset
def keyed() -> Signal[int]:
    return Signal(key="job-7", timeout=timedelta(minutes=1))


@asset
def reviewed() -> dict[str, int] | Approval[dict[str, int]]:
    return Approval({"rows": 3}, message="Is that\nenough?", timeout=timedelta(hours=1))


PIPELINE = Pipeline(
    *(raw, cleaned, report, regional, closed, picture, table, slow, answered),
    *(keyed, reviewed),
)
app = Flowstone(
    "shop",
    PIPELINE,
    schedules=[
        Schedule(
            report,
            cron="30 2 * * *",
            timezone="Europe/Zurich",
            partition=previous_day,
            name="nightly",
        )
    ],
    sensors=[
        Sensor("arrivals", check=arrived),
        Sensor("stuck", check=stuck),
        Sensor("quiet", check=quiet),
    ],
)
