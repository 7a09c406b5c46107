"""Expressions that Temporal reads otherwise than people expect are warned of."""

from __future__ import annotations

from datetime import date

import pytest

from flowstone.core.cron import warnings_of

TODAY = date(2025, 1, 1)


def said(cron: str, zone: str = "Europe/Zurich") -> str:
    return "\n".join(warnings_of(cron, zone, TODAY))


@pytest.mark.parametrize(
    "cron",
    [
        "0 6 * * *",
        "*/5 * * * *",
        "30 * * * *",
        "0 0 1 * *",
        "0 0 ? * MON-FRI",
        "30 2 * * MON",
        "30 2 * JAN,Dec *",
        "30 2 1-15 * *",
        "0 30 3 * * * 2025",
        "* * * * * * *",
        "0 6 * * * 2026",
        "@daily",
        "0 x * * *",
    ],
)
def test_what_is_read_as_written_needs_no_warning(cron: str) -> None:
    """Most expressions mean the same everywhere."""
    assert said(cron) == ""


@pytest.mark.parametrize("cron", ["0 0 13 * FRI", "0 0 13 * 1-5"])
def test_both_days_are_both(cron: str) -> None:
    """Where both days are given, only days that are both are meant."""
    assert "only on days that are both" in said(cron)


def test_a_comment_is_no_week() -> None:
    """What looks like the second Monday is every Monday."""
    assert "Temporal reads '0 0 * * MON'" in said("0 0 * * MON#2")


@pytest.mark.parametrize(
    ("cron", "gap", "twice"),
    [
        ("30 2 * * *", True, True),
        ("30 2 * * SUN", True, True),
        ("30 2 * * 7", True, True),
        ("0 30 2 * * * *", True, True),
        ("*/20 1-3/2,2 * MAR *", True, False),
        ("59 2 25/1 10 *", False, True),
    ],
)
def test_hours_that_clocks_change_are_told(cron: str, gap: bool, twice: bool) -> None:
    """The night in spring lacks an hour, the one in autumn has one twice."""
    found = said(cron)

    assert ("on 2025-03-30, 02:" in found) == gap
    assert ("does not exist" in found) == gap
    assert ("on 2025-10-26, 02:" in found) == twice
    assert ("comes twice" in found) == twice


def test_a_zone_without_summer_time_needs_no_warning() -> None:
    """Where clocks are never changed, every time is once."""
    assert said("30 2 * * *", "UTC") == ""


def test_a_day_may_be_where_no_hour_is() -> None:
    """Where a change is at midnight, the hour before it is no part of it."""
    assert "00:30" in said("30 0 * * *", "Africa/Cairo")
