"""A sensor looks: what it finds becomes runs, what it fails at puts it off."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any, cast

import pytest

from flowstone.core.asset import asset
from flowstone.core.events import Event
from flowstone.core.outcome import Skip
from flowstone.core.replies import NotHere
from flowstone.core.sensor import Found, Sensor, Trigger
from flowstone.core.space import daily
from flowstone.core.ticks import Checked, CheckSensor
from flowstone.steps.context import Context
from tests.unit.steps.bench import Bench, Make


@asset(partitions=daily(date(2025, 1, 1)))
def report(ctx: Context) -> str:
    return str(ctx.partition)


DAY = date(2025, 1, 15)


def sensing(bench: Make, check: Callable[[Any], object], **given: object) -> Bench:
    """Give a worker with a sensor."""
    shop = bench(report)
    sensor = Sensor("news", check=check, **given)  # pyright: ignore[reportArgumentType]
    shop.toolbox.sensors = {"news": sensor}
    return shop


def look(shop: Bench, tick: str = "t1", *, forced: bool = False) -> Checked:
    found = shop.do(CheckSensor(sensor="news", tick=tick, forced=forced))
    assert isinstance(found, Checked)
    return found


def once(cursor: Any) -> Found:
    """Find one piece of news in the first look."""
    count = (cursor or 0) + 1
    return Found([Trigger("report", DAY)] if count == 1 else [], count)


def gives(answer: object) -> Callable[[Any], object]:
    """Give a check with one answer."""

    def check(_: Any) -> object:
        return answer

    return check


def in_turn(*checks: Callable[[Any], object]) -> Callable[[Any], object]:
    """Give a check that is each of these once, in their order."""
    left = list(checks)

    def check(cursor: Any) -> object:
        return left.pop(0)(cursor)

    return check


def test_a_sensor_that_finds_news_has_it_made(bench: Make) -> None:
    """The run has a row, with its own workflow, and the cursor goes on (SEN-04)."""
    shop = sensing(bench, once)

    first, second = look(shop), look(shop, "t2")

    assert first == Checked(outcome="triggered", found=1, started=1)
    assert second == Checked(outcome="nothing")
    [row] = shop.toolbox.ledger.runs.recent("shop", limit=9)
    request = row.request
    assert (request.verb, request.policy) == ("materialize_all", "always")
    assert (request.key, request.sensor) == ("2025-01-15", "news")
    assert row.workflow == f"flowstone/shop/sensor/news/run/{row.id}"
    assert row.actor == "sensor:news"
    assert shop.toolbox.ledger.sensors.read("shop", "news").cursor == 2


def test_a_sensor_may_make_its_asset_alone(bench: Make) -> None:
    """What a sensor says of upstream and policy is what its runs do."""
    shop = sensing(bench, once, upstream=False, policy="missing")

    look(shop)

    [row] = shop.toolbox.ledger.runs.recent("shop", limit=9)
    assert (row.request.verb, row.request.policy) == ("materialize", "missing")


async def awaited(cursor: Any) -> Found:
    return once(cursor)


def test_a_check_may_be_async(bench: Make) -> None:
    """It runs on the worker's loop, beside assets that are."""
    assert look(sensing(bench, awaited)).started == 1


def test_a_worker_without_the_sensor_leaves_it_to_another(bench: Make) -> None:
    """A sensor goes by its name: whoever does not know it says so."""
    found = bench(report).do(CheckSensor(sensor="news", tick="t1"))

    assert isinstance(found, NotHere)
    assert "the sensor 'news'" in found.why


def test_a_look_that_is_asked_again_does_not_look_again(bench: Make) -> None:
    """A lost reply calls no check, and starts nothing twice (SEN-07)."""
    calls: list[object] = []

    def check(cursor: Any) -> Found:
        calls.append(cursor)
        return once(cursor)

    shop = sensing(bench, check)

    assert look(shop) == look(shop)
    assert calls == [None]


@pytest.mark.parametrize(
    ("answer", "outcome", "why"),
    [(None, "nothing", ""), (Skip("it is Sunday"), "skipped", "it is Sunday")],
)
def test_no_news_moves_nothing(
    bench: Make, answer: object, outcome: str, why: str
) -> None:
    """`None` and `Skip` keep the cursor; the look is recorded with its reason."""
    shop = sensing(bench, in_turn(gives(Found([], "here")), gives(answer)))
    look(shop)

    found = look(shop, "t2")

    assert (found.outcome, found.why) == (outcome, why)
    assert shop.toolbox.ledger.sensors.read("shop", "news").cursor == "here"
    [last, _] = shop.toolbox.ledger.sensors.ticks("shop", "news", 9)
    assert (last.outcome, last.why) == (outcome, why)


def raising(_: Any) -> Found:
    raise ConnectionError("the source is down")


@pytest.mark.parametrize(
    ("check", "said"),
    [
        (raising, "raised ConnectionError: the source is down"),
        (gives([Trigger("report")]), "gave [Trigger("),
        (gives(Found([Trigger("raport", DAY)])), "'raport'"),
        (gives(Found([Trigger("report", date(2024, 1, 1))])), "2024"),
        (gives(Found([Trigger("report", cast("int", 1.5))])), "1.5"),
        (gives(Found([], {1, 2})), "is no JSON"),
    ],
)
def test_a_look_that_fails_moves_nothing(
    bench: Make, check: Callable[[Any], object], said: str
) -> None:
    """What it raised, or gave that cannot be, is recorded; nothing is started."""
    shop = sensing(bench, check)

    found = look(shop)

    assert found.outcome == "failed"
    assert said in found.why
    row = shop.toolbox.ledger.sensors.read("shop", "news")
    assert (row.cursor, row.failures, row.put_off) == (None, 1, True)
    assert shop.toolbox.ledger.runs.recent("shop", limit=9) == []


def test_a_sensor_that_fails_is_put_off_and_comes_back(bench: Make) -> None:
    """What was put off is looked at when somebody asks, and ends the waiting."""
    shop = sensing(bench, in_turn(raising, once))
    look(shop)

    off = look(shop, "t2")
    back = look(shop, "t3", forced=True)

    assert off.outcome == "put_off"
    assert "the source is down" in off.why
    assert back.outcome == "triggered"
    assert shop.toolbox.ledger.sensors.read("shop", "news").failures == 0
    outcomes = [t.outcome for t in shop.toolbox.ledger.sensors.ticks("shop", "news", 9)]
    assert outcomes == ["triggered", "put_off", "failed"]


def test_news_that_is_named_twice_is_one(bench: Make) -> None:
    """Within a look, what is known by the same is the same."""
    twice = [Trigger("report", DAY, key="a"), Trigger("report", DAY, key="a")]
    shop = sensing(bench, gives(Found(twice)))

    assert look(shop).started == 1


def test_handlers_hear_of_looks(bench: Make) -> None:
    """Each look is told, what it started, and why it failed (SEN-01)."""
    shop = sensing(bench, in_turn(once, raising))
    heard: list[Event] = []
    shop.toolbox.telemetry.attach(heard.append, "flowstone.sensor.")

    look(shop)
    look(shop, "t2")

    assert [(e.name, e.outcome) for e in heard] == [
        ("flowstone.sensor.trigger", ""),
        ("flowstone.sensor.poll", "triggered"),
        ("flowstone.sensor.error", "failed"),
        ("flowstone.sensor.poll", "failed"),
    ]
    assert heard[0].asset == "report"
    assert heard[1].data["started"] == 1
