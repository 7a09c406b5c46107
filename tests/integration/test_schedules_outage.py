"""An outage of three intervals: what each policy and window make of it afterwards."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest

from flowstone import Context, Flowstone, Pipeline, Schedule, asset
from flowstone.core.schedule import Overlap
from flowstone.stack import TemporalServer
from flowstone.testing import Served
from tests.integration.test_schedules import until

pytestmark = [pytest.mark.service, pytest.mark.timeout(180)]

EVERY = timedelta(seconds=8)
LONG, SHORT = timedelta(minutes=1), timedelta(seconds=14)
NOW = timedelta(0)

ALL = {0, 1, 2}
EXPECTED: dict[tuple[str, timedelta], set[int]] = {
    ("skip", LONG): {0},
    ("buffer_one", LONG): {0, 1},
    ("buffer_all", LONG): ALL,
    ("cancel_other", LONG): {2},
    ("terminate_other", LONG): {2},
    ("allow_all", LONG): ALL,
    # The first of the three is older than the window when the server is back.
    ("skip", SHORT): {1},
    ("buffer_one", SHORT): {1, 2},
    ("buffer_all", SHORT): {1, 2},
    ("cancel_other", SHORT): {2},
    ("terminate_other", SHORT): {2},
    ("allow_all", SHORT): {1, 2},
}
"""Which of the missed fires are made up for."""


@asset
def sampled(ctx: Context) -> str:
    return str(ctx.scheduled_at)


def name_of(overlap: str, window: timedelta) -> str:
    return f"{overlap}-{window.total_seconds():g}"


def schedule(overlap: Overlap, window: timedelta) -> Schedule:
    name = name_of(overlap, window)
    return Schedule(
        sampled,
        cron=f"*/{EVERY.seconds} * * * * * *",
        name=name,
        # Each has keys of its own, so that none takes over what another has made.
        partition=lambda at: (name, at),
        overlap=overlap,
        catch_up=window,
        jitter=NOW,
    )


app = Flowstone(
    "outage",
    Pipeline(sampled),
    schedules=[
        schedule(overlap, window)
        for overlap in get_args(Overlap)
        for window in (LONG, SHORT)
    ],
)


def next_minute_of(every: timedelta) -> datetime:
    """Give a time of the expression with three more after it in the same minute."""
    now = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
    while now.second % every.seconds or now.second + 4 * every.seconds >= 60:
        now += timedelta(seconds=1)
    return now


async def sleep_until(at: datetime) -> None:
    await asyncio.sleep(max((at - datetime.now(UTC)).total_seconds(), 0))


@pytest.mark.flowstone(app)
async def test_each_policy_and_window_after_an_outage(
    flowstone_served: Served, temporal_server: TemporalServer
) -> None:
    """Of three fires that were missed, each schedule makes up for what it says."""
    stone = flowstone_served.stone
    await stone.schedules.apply()
    last = next_minute_of(EVERY)
    missed = [last + n * EVERY for n in (1, 2, 3)]

    await sleep_until(last + timedelta(seconds=4))
    temporal_server.kill()
    await sleep_until(missed[-1] + timedelta(seconds=0.5))
    temporal_server.start()
    # No fire after the outage comes in between: they are looked for within it.
    found: dict[str, set[int]] = {}

    async def settled() -> bool:
        rows = await stone.runs.list(limit=1000)
        times = [(r, datetime.fromisoformat(r.request.scheduled_at)) for r in rows]
        # Those that follow go on all the time.
        rows = [row for row, at in times if at in missed]
        if any(r.status in {"starting", "running"} for r in rows):
            return False
        found.clear()
        for row, at in times:
            if at in missed:
                found.setdefault(row.request.schedule, set()).add(missed.index(at))
        return sum(len(v) for v in found.values()) >= 20

    await until(settled, within=60)
    await asyncio.sleep(1)
    await settled()

    expected = {name_of(*case): made for case, made in EXPECTED.items()}
    assert found == expected
    dropped = {
        s.name: s.placed.missed for s in await stone.schedules.list() if s.placed
    }
    assert dropped == {name_of(*case): int(case[1] == SHORT) for case in EXPECTED}
