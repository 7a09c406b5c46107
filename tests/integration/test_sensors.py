"""Sensors on a real Temporal: they look by themselves, fail, are paused and asked."""

from __future__ import annotations

from typing import Any

import pytest

from flowstone import (
    SECOND,
    Client,
    Context,
    Flowstone,
    Found,
    Pipeline,
    Sensor,
    Trigger,
    UnknownSchedule,
    asset,
)
from flowstone.core.timetable import Change
from flowstone.testing import Served
from tests.integration.test_schedules import until

pytestmark = [pytest.mark.service, pytest.mark.timeout(120)]


@asset
def document(ctx: Context) -> str:
    return f"read {ctx.partition}"


def two(cursor: int | None) -> Found:
    """Find two documents in each look."""
    first = cursor or 0
    return Found([Trigger(document, n) for n in (first, first + 1)], first + 2)


app = Flowstone(
    "news",
    Pipeline(document),
    sensors=[Sensor("arrivals", every=SECOND, check=two)],
)


@pytest.mark.flowstone(app)
async def test_a_sensor_looks_by_itself(flowstone_served: Served) -> None:
    """What it finds is made, look after look; paused, it does not (SEN-04)."""
    stone = flowstone_served.stone
    applied = await stone.schedules.apply()

    async def looked() -> bool:
        return len(await stone.sensors.ticks("arrivals")) >= 2

    await until(looked)
    await stone.sensors.pause("arrivals", "enough")
    [status] = await stone.sensors.list()
    again = await stone.schedules.apply()
    cursor = status.cursor
    assert isinstance(cursor, int)

    async def made() -> bool:
        rows = await stone.runs.list(limit=100)
        done = [r for r in rows if r.status == "succeeded"]
        return len(done) == len(rows) >= cursor

    await until(made)
    rows = await stone.runs.list(limit=100)
    assert applied.changes == [Change(kind="create", what="sensor", name="arrivals")]
    assert again.changes == []
    assert status.state == "paused"
    assert sorted(int(r.request.key) for r in rows) == list(range(len(rows)))
    run = await stone.runs.get(rows[-1].id)
    assert await run.result() == f"read {run.partition}"
    assert (await run.events())[0].name == "flowstone.sensor.trigger"
    await stone.sensors.resume("arrivals")
    assert [s.state for s in await stone.sensors.list()] == ["active"]


@pytest.mark.flowstone(app)
async def test_a_sensor_is_changed_and_deleted(flowstone_served: Served) -> None:
    """How often it looks is updated, and what is not declared any more is deleted."""
    stone, toolbox = flowstone_served.stone, flowstone_served.toolbox
    await stone.schedules.apply()
    await stone.sensors.pause("arrivals")
    toolbox.sensors = {"arrivals": Sensor("arrivals", every=5 * SECOND, check=two)}
    changed = await stone.schedules.apply()
    toolbox.sensors = {}
    gone = await stone.schedules.apply()

    assert str(changed) == "update sensor arrivals: every 1.0 -> 5.0"
    assert str(gone) == "delete sensor arrivals"
    with pytest.raises(UnknownSchedule, match="no sensor 'arrivals'"):
        await stone.sensors.pause("arrivals")


@pytest.mark.flowstone(app)
async def test_a_look_by_hand_starts_what_it_finds(temporal_stone: Client) -> None:
    """Its runs can be waited for at once, although they begin a moment later."""
    tick = await temporal_stone.sensors.tick("arrivals")
    runs = [await temporal_stone.runs.get(run) for run in tick.runs]

    assert [await run.result() for run in runs] == ["read 0", "read 1"]
    assert [s.state for s in await temporal_stone.sensors.list()] == ["not_applied"]


class Failing:
    """A source that is down, until it is not."""

    def __init__(self, times: int) -> None:
        self.left = times

    def __call__(self, cursor: Any) -> Found:
        self.left -= 1
        if self.left >= 0:
            raise ConnectionError("the source is down")
        return Found([Trigger(document, 7)] if cursor is None else [], 1)


@pytest.mark.flowstone(app)
async def test_a_sensor_that_fails_backs_off_and_recovers(
    flowstone_served: Served,
) -> None:
    """Looks are left out after failures; the first that succeeds finds all (SEN-04)."""
    stone, toolbox = flowstone_served.stone, flowstone_served.toolbox
    sensor = Sensor("arrivals", every=SECOND, check=Failing(3))
    toolbox.sensors = {"arrivals": sensor}
    await stone.schedules.apply()

    async def found() -> bool:
        return bool(await stone.runs.list())

    await until(found)
    await stone.sensors.pause("arrivals")
    ticks = list(reversed(await stone.sensors.ticks("arrivals")))
    outcomes = [t.outcome for t in ticks]

    until_found = outcomes[: outcomes.index("triggered")]
    assert until_found.count("failed") == 3
    assert until_found.count("put_off") >= 2
    assert until_found[:2] == ["failed", "failed"]
    assert "the source is down" in ticks[0].why
    assert len(await stone.runs.list()) == 1
