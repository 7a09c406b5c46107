"""What apply says, and how a schedule stands."""

from __future__ import annotations

from datetime import UTC, datetime

from flowstone.core.timetable import (
    Applied,
    Change,
    Placed,
    ScheduleStatus,
    differences,
)

AT = datetime(2025, 1, 1, tzinfo=UTC)


def status(placed: Placed | None) -> ScheduleStatus:
    return ScheduleStatus(
        name="report",
        asset="report",
        cron="0 6 * * *",
        timezone="UTC",
        overlap="skip",
        placed=placed,
    )


def test_what_was_done_is_a_line_each() -> None:
    """Changes, what was left alone, and warnings can be read by people."""
    applied = Applied(
        changes=[
            Change(kind="create", what="schedule", name="new"),
            Change(kind="update", what="sensor", name="old", fields=["every 1 -> 2"]),
        ],
        left=["flowstone/shop/schedule/x"],
        warnings=["new: it has no time at all."],
    )

    assert str(applied).splitlines() == [
        "create schedule new",
        "update sensor old: every 1 -> 2",
        "left alone: flowstone/shop/schedule/x (it is not this app's)",
        "warning: new: it has no time at all.",
    ]
    assert str(Applied(changes=[])) == "nothing to do"


def test_what_differs_is_told_as_it_was_and_will_be() -> None:
    """A fact that is new or gone differs too."""
    found = differences({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 4, "d": 5})

    assert found == ["b 2 -> 4", "c 3 -> None", "d None -> 5"]


def test_a_schedule_stands_in_one_word() -> None:
    """Not applied, active, paused or changed."""
    assert status(None).state == "not_applied"
    assert status(Placed(paused=True)).state == "paused"
    assert status(Placed(agrees=False)).state == "changed"
    assert status(Placed(next=[AT])).state == "active"
    assert status(Placed(next=[AT])).next == [AT]
    assert (status(None).next, status(None).paused) == ((), False)
