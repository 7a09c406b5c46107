"""Schedules say what they make, and are refused where they cannot."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from flowstone.core.asset import asset
from flowstone.core.errors import ConfigurationError
from flowstone.core.pipeline import Pipeline
from flowstone.core.schedule import (
    Schedule,
    previous_day,
    previous_hour,
    problems_of,
    same_day,
    utc_text,
)
from flowstone.core.space import single

ZURICH = ZoneInfo("Europe/Zurich")


@asset
def report() -> int:
    return 1


@asset(partitions=single)
def catalog() -> int:
    return 1


PIPELINE = Pipeline(report, catalog)


def test_a_schedule_is_called_as_its_asset() -> None:
    """The asset or its name will do, and gives the schedule its own."""
    named = Schedule(report, cron="0 6 * * *")

    assert (named.asset, named.name) == ("report", "report")
    assert Schedule("report", cron="0 6 * * *", name="early").name == "early"
    assert repr(named) == "<schedule 'report': 'report' at '0 6 * * *'>"
    assert problems_of(PIPELINE, [named]) == []


@pytest.mark.parametrize(
    ("partition", "key"),
    [
        (same_day, date(2025, 3, 30)),
        (previous_day, date(2025, 3, 29)),
        (previous_hour, datetime(2025, 3, 29, 22, tzinfo=UTC)),
    ],
)
def test_a_partition_is_of_the_zone_of_its_schedule(
    partition: object, key: object
) -> None:
    """Half past midnight in Zurich is the day before in UTC; the key is Zurich's."""
    schedule = Schedule(
        report,
        cron="30 0 * * *",
        timezone="Europe/Zurich",
        partition=partition,  # pyright: ignore[reportArgumentType] - one of those above
    )

    assert schedule.key_of(datetime(2025, 3, 29, 23, 30, tzinfo=UTC)) == key


def test_both_hours_of_one_name_have_a_key() -> None:
    """Where clocks are set back, each of the two hours is an hour of its own."""
    twice = [
        previous_hour(datetime(2025, 10, 26, 3, 5, tzinfo=ZURICH)),
        previous_hour(datetime(2025, 10, 26, 2, 5, tzinfo=ZURICH, fold=1)),
    ]

    assert [utc_text(at) for at in twice] == [
        "2025-10-26T01:00:00Z",
        "2025-10-26T00:00:00Z",
    ]


def test_no_partition_is_no_key() -> None:
    """An asset without partitions is scheduled without a function."""
    schedule = Schedule(catalog, cron="@daily", partition=None)

    assert schedule.key_of(datetime(2025, 1, 1, tzinfo=UTC)) is None
    assert problems_of(PIPELINE, [schedule]) == []


def test_all_that_is_wrong_with_a_schedule_is_told() -> None:
    """A schedule with eight mistakes names eight."""
    with pytest.raises(ConfigurationError) as caught:
        Schedule(
            report,
            cron="6 o'clock",
            timezone="Europe/Zuerich",
            partition="today",  # pyright: ignore[reportArgumentType]
            name="every day",
            policy="stale",
            overlap="wait",  # pyright: ignore[reportArgumentType]
            catch_up=timedelta(seconds=9),
            jitter=timedelta(seconds=-1),
        )

    words = ("name", "cron", "timezone", "catch_up", "jitter")
    words += ("overlap", "policy", "partition")
    assert len(caught.value.problems) == len(words)
    for word, problem in zip(words, caught.value.problems, strict=True):
        assert word in problem, problem
        assert problem.startswith("The schedule 'every day': ")


@pytest.mark.parametrize("zone", ["", "../etc/passwd", "/etc/passwd", "Europe"])
def test_a_zone_is_one_by_name(zone: str) -> None:
    """What is no zone is refused, whatever it is else."""
    with pytest.raises(ConfigurationError, match="timezone"):
        Schedule(report, cron="0 6 * * *", timezone=zone)


def test_what_is_wrong_with_the_schedules_of_an_app_is_told() -> None:
    """Equal names, unknown assets, and keys for what has none."""
    schedules = [
        Schedule(report, cron="0 6 * * *"),
        Schedule(report, cron="0 7 * * *"),
        Schedule("raport", cron="0 8 * * *"),
        Schedule(catalog, cron="0 9 * * *"),
    ]

    problems = problems_of(PIPELINE, schedules)

    assert len(problems) == 3
    for problem, word in zip(
        problems, ("Two schedules", "'raport'", "is single"), strict=True
    ):
        assert word in problem


def test_what_is_declared_is_plain() -> None:
    """What a server keeps of a schedule is JSON, without the user's function."""
    declared = Schedule(report, cron="0 6 * * *").declared()

    assert declared == {
        "asset": "report",
        "cron": "0 6 * * *",
        "timezone": "UTC",
        "upstream": True,
        "policy": "missing",
        "overlap": "skip",
        "catch_up": 21600.0,
        "jitter": 60.0,
    }
