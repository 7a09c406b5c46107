"""Sensors say what they are, and news is known by what it is known by."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from flowstone.core.asset import asset
from flowstone.core.errors import ConfigurationError
from flowstone.core.pipeline import Pipeline
from flowstone.core.policy import HOUR, MINUTE
from flowstone.core.sensor import (
    Found,
    Sensor,
    Trigger,
    problems_of,
    trigger_id,
    untold,
    wait_after,
)


@asset
def report() -> int:
    return 1


PIPELINE = Pipeline(report)


def look(cursor: Any) -> Found:
    return Found([Trigger(report)], cursor)


class Ready:
    """A check that knows beforehand."""

    def __init__(self, *assets: str, lacks: str = "") -> None:
        self.assets: Sequence[str] = assets
        self._lacks = lacks

    def problems(self) -> Sequence[str]:
        return [self._lacks] if self._lacks else []

    def __call__(self, cursor: Any) -> None:
        return None


def test_a_trigger_takes_an_asset_or_its_name() -> None:
    """The asset or its name will do."""
    assert Trigger(report, 7, key="k") == Trigger("report", 7, key="k")
    assert look(3) == Found([Trigger("report")], 3)


def test_a_sensor_says_what_it_is() -> None:
    """What a server must know of it is how often it looks."""
    sensor = Sensor("uploads", check=look)

    assert repr(sensor) == "<sensor 'uploads' every 0:01:00>"
    assert sensor.declared() == {"every": 60.0}
    assert (sensor.upstream, sensor.policy) == (True, "always")


def test_all_that_is_wrong_with_a_sensor_is_told() -> None:
    """A sensor with four mistakes names four."""
    with pytest.raises(ConfigurationError) as caught:
        Sensor(
            "new uploads",
            every=timedelta(milliseconds=10),
            check="look",  # pyright: ignore[reportArgumentType]
            policy="stale",
        )

    words = ("name", "check", "every", "policy")
    for word, problem in zip(words, caught.value.problems, strict=True):
        assert word in problem
        assert problem.startswith("The sensor 'new uploads': ")


def test_what_is_wrong_with_the_sensors_of_an_app_is_told() -> None:
    """Equal names, and assets that a ready check makes and nobody has."""
    sensors = [
        Sensor("a", check=look),
        Sensor("a", check=Ready("report")),
        Sensor("b", check=Ready("raport")),
    ]

    problems = problems_of(PIPELINE, sensors)

    for word, problem in zip(("Two sensors", "'raport'"), problems, strict=True):
        assert word in problem


def test_what_a_check_was_not_told_is_said() -> None:
    """A ready check may learn what it lacks until the app is opened."""
    sensors = [
        Sensor("a", check=look),
        Sensor("b", check=Ready("report")),
        Sensor("c", check=Ready("report", lacks="no bucket is named.")),
    ]

    assert untold(sensors) == ["The sensor 'c': no bucket is named."]


def test_news_is_known_by_its_key() -> None:
    """The same key is the same news in any tick; without one, in that tick alone."""

    def known(trigger: Trigger, tick: str = "t1", sensor: str = "s") -> str:
        return trigger_id("shop", sensor, trigger, tick)

    keyed = Trigger("report", 1, key="a.csv#etag")
    assert known(keyed) == known(keyed, "t2")
    assert known(keyed) != known(Trigger("report", 1, key="a.csv#other"))
    assert known(keyed) != known(keyed, sensor="other")
    plain = Trigger("report", 1)
    assert known(plain) == known(plain)
    assert known(plain) != known(plain, "t2")
    assert known(plain) != known(Trigger("report", "1"))
    assert known(Trigger("report", key="t1")) != known(Trigger("report"))


def test_a_sensor_that_fails_is_left_in_peace_ever_longer() -> None:
    """One failure costs no look; then every other one is left out, up to an hour."""
    waits = [wait_after(n, MINUTE) for n in range(1, 9)]

    assert waits[:4] == [n * MINUTE - MINUTE / 2 for n in (1, 2, 4, 8)]
    assert waits[-1] == HOUR - MINUTE / 2
    assert wait_after(500, MINUTE) == HOUR - MINUTE / 2
    assert wait_after(3, 2 * HOUR) == HOUR
