"""Schedules on the command line, in one process and without a server."""

from __future__ import annotations

import pytest

from tests.unit.cli.typed import APP, Type


def test_schedules_are_listed(typed: Type, kept: str) -> None:
    """Each is a line, with how it stands."""
    plain = typed("schedules", "list", APP, kept)
    [one] = typed("schedules", "list", APP, kept, "--json").data

    assert plain.status == 0
    assert "nightly   report  30 2 * * *  Europe/Zurich  not applied" in plain.out
    assert (one["name"], one["state"]) == ("nightly", "not_applied")
    assert (one["next"], one["runs"]) == ([], [])


@pytest.mark.parametrize(
    ("at", "day"),
    [
        ("2025-01-12T02:30", "2025-01-11"),
        ("2025-01-12", "2025-01-11"),
        ("2025-01-11T23:30Z", "2025-01-11"),
    ],
)
def test_a_schedule_is_triggered(typed: Type, kept: str, at: str, day: str) -> None:
    """A time without a zone is meant in the schedule's (E2E-14)."""
    said = typed("schedules", "trigger", APP, "nightly", "--at", at, kept)
    [run, *_] = typed("runs", "list", APP, kept, "--json").data

    assert said.status == 0
    assert said.out.startswith(f"report @ {day}: succeeded in ")
    assert run["partition"] == day


def test_a_trigger_answers_in_json(typed: Type, kept: str) -> None:
    """One object has the run, and how it ended."""
    said = typed(
        *("schedules", "trigger", APP, "nightly", "--at", "2025-01-12", kept),
        "--json",
    )

    assert said.data["status"] == "succeeded"
    assert said.data["partition"] == "2025-01-11"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("trigger", APP, "weekly", "--at", "2025-01-12"), "no schedule 'weekly'"),
        (("trigger", APP, "nightly", "--at", "noon"), "'noon' is no time"),
        (("trigger", APP, "nightly", "--at", "2020-01-01"), "one of the partitions"),
        (
            ("backfill", APP, "weekly", "--from", "2025-01-01", "--to", "2025-01-02"),
            "no schedule 'weekly'",
        ),
    ],
)
def test_what_cannot_be_is_one_line(
    typed: Type, kept: str, words: tuple[str, ...], said: str
) -> None:
    """An unknown name, a time that is none, a partition that is not there."""
    local = (kept,) if words[0] == "trigger" else ()

    found = typed("schedules", *words, *local)

    assert found.status != 0
    assert said in found.error
