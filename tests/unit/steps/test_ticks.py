"""A fire is told what it makes, the same however often it asks."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from flowstone.core.asset import asset
from flowstone.core.errors import BadPartition, RunError, from_data
from flowstone.core.messages import Ended
from flowstone.core.replies import NotHere
from flowstone.core.schedule import Schedule, previous_day
from flowstone.core.space import daily
from flowstone.core.ticks import Resolved, ResolveTick
from flowstone.steps.context import Context
from tests.unit.steps.bench import Bench, Make

TICK = "flowstone/shop/schedule/report-2025-01-16T05:00:00Z"
AT = "2025-01-16T05:00:00Z"
STEP = ResolveTick(schedule="report", at=AT, run="r1")


@asset(partitions=daily(date(2025, 1, 1)))
def raw() -> int:
    return 1


@asset
def report(raw: int, ctx: Context) -> str:
    return str(ctx.scheduled_at)


def scheduled(bench: Make, **given: object) -> Bench:
    """Give a worker with a schedule of the report."""
    shop = bench(raw, report)
    facts: dict[str, object] = {"cron": "0 6 * * *", "timezone": "Europe/Zurich"}
    schedule = Schedule(report, **{**facts, **given})  # pyright: ignore[reportArgumentType]
    shop.toolbox.schedules = {"report": schedule}
    return shop


def test_a_fire_makes_the_partition_of_its_time(bench: Make) -> None:
    """The row of its run is written, with all that any worker needs."""
    shop = scheduled(bench, partition=previous_day)

    found = shop.do(STEP, workflow=TICK)

    assert isinstance(found, Resolved)
    request = found.request
    assert (request.verb, request.key) == ("materialize_all", "2025-01-15")
    assert (request.scheduled_at, request.tick) == (AT, TICK)
    row = shop.toolbox.ledger.runs.get("r1")
    assert row is not None
    assert row.request == request
    assert (row.status, row.actor) == ("starting", "schedule:report")
    assert row.workflow == f"{TICK}/run/r1"
    [event] = shop.toolbox.ledger.runs.events("r1")
    assert (event.name, event.key) == ("flowstone.schedule.fire", "2025-01-15")


def test_a_fire_that_asks_again_is_told_the_same(bench: Make) -> None:
    """A lost reply writes no second row, whatever was deployed meanwhile."""
    shop = scheduled(bench)
    first = shop.do(STEP, workflow=TICK)
    shop.toolbox.schedules = {}

    again = shop.do(STEP, workflow=TICK, attempt=2)

    assert again == first
    assert len(shop.toolbox.ledger.runs.recent("shop", limit=9)) == 1
    assert len(shop.toolbox.ledger.runs.events("r1")) == 1


def test_a_worker_without_the_schedule_leaves_it_to_another(bench: Make) -> None:
    """A schedule goes by its name: whoever does not know it says so."""
    found = bench(raw, report).do(STEP)

    assert isinstance(found, NotHere)
    assert "the schedule 'report'" in found.why


def test_a_schedule_may_make_its_asset_alone(bench: Make) -> None:
    """Without upstream, what it needs must exist."""
    found = scheduled(bench, upstream=False, policy="always").do(STEP)

    assert isinstance(found, Resolved)
    assert (found.request.verb, found.request.policy) == ("materialize", "always")


def old(_: datetime) -> date:
    return date(2024, 1, 1)


def wrong(_: datetime) -> float:
    return 1.5


def raising(_: datetime) -> date:
    raise LookupError("which day?")


@pytest.mark.parametrize(
    ("partition", "error", "said"),
    [
        (old, BadPartition, "partitions of 'raw'"),
        (wrong, BadPartition, "1.5"),
        (raising, RunError, "raised LookupError for 2025-01-16T05:00:00Z: which day?"),
        (None, BadPartition, "say which one"),
    ],
)
def test_a_fire_whose_partition_cannot_be_told_has_failed(
    bench: Make, partition: object, error: type[Exception], said: str
) -> None:
    """Nobody tries again: the error is recorded, and no run is begun."""
    shop = scheduled(bench, partition=partition)

    found = shop.do(STEP, workflow=TICK)

    assert isinstance(found, Ended)
    assert found.status == "failed"
    assert found.error is not None
    assert isinstance(from_data(found.error), error)
    assert said in str(from_data(found.error))
    assert shop.toolbox.ledger.runs.get("r1") is None
    [event] = shop.toolbox.ledger.runs.events("")
    assert event.name == "flowstone.schedule.error"
    assert event.data["schedule"] == "report"


def test_an_asset_knows_when_it_should_have_been_made(bench: Make) -> None:
    """`ctx.scheduled_at` is the instant that was meant, whoever runs it when."""
    shop = scheduled(bench)
    found = shop.do(STEP, workflow=TICK)
    assert isinstance(found, Resolved)
    shop.plan(found.request)

    shop.run("raw", "report")

    assert shop.value("report", "2025-01-16") == str(
        datetime(2025, 1, 16, 5, tzinfo=UTC)
    )
