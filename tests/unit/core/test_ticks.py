"""Messages of schedules cross processes whole, and are never renamed."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime
from uuid import UUID

import pytest

from flowstone.core import ticks
from flowstone.core.errors import BadPartition
from flowstone.core.messages import Ended, Request
from flowstone.core.replies import NotHere
from flowstone.core.ticks import (
    Checked,
    CheckSensor,
    Resolved,
    ResolveTick,
    Sense,
    Tick,
    sense_id,
    tick_id,
    tick_run,
)
from tests.unit.core.test_messages import crossed, wire

AT = datetime(2025, 1, 16, 5, tzinfo=UTC)
REQUEST = Request(run="r1", verb="materialize_all", pipeline="p", asset="a", key="k")
ERROR = BadPartition(partition="'x'", reason="No.").to_data()
FIELDS = {
    "CheckSensor": "sensor tick forced again",
    "Checked": "outcome found started why kind",
    "Sense": "pipeline sensor tick forced declared",
    "ResolveTick": "schedule at run again",
    "Resolved": "request kind",
    "Tick": "pipeline schedule at run declared",
}


@pytest.mark.parametrize(
    "value",
    [
        Tick(pipeline="p", schedule="s", at="2025-01-16T05:00:00Z", run="r1"),
        ResolveTick(schedule="s", at="2025-01-16T05:00:00Z", run="r1", again=True),
        Resolved(request=REQUEST),
        Sense(pipeline="p", sensor="s", tick="t", forced=True, declared="{}"),
        CheckSensor(sensor="s", tick="t", forced=True, again=True),
        Checked(outcome="failed", found=1, started=1, why="No."),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_sent_is_what_comes(value: object) -> None:
    """Every message survives its way, whole and of its own type."""
    back = crossed(value, type(value))

    assert type(back) is type(value)
    assert wire(type(value)).dump_json(back) == wire(type(value)).dump_json(value)


@pytest.mark.parametrize(
    "answer",
    [
        Resolved(request=REQUEST),
        NotHere(why="no worker"),
        Ended(status="failed", error=ERROR),
    ],
    ids=lambda answer: answer.kind,
)
def test_the_answer_to_a_fire_keeps_its_kind(answer: object) -> None:
    """What is to be made, an end and an absence are told apart."""
    assert type(crossed(answer, ResolveTick.answer)) is type(answer)


@pytest.mark.parametrize("name", FIELDS)
def test_no_field_of_a_message_is_renamed(name: str) -> None:
    """A history is for ever: fields are added, never renamed or taken away."""
    found = [field.name for field in fields(vars(ticks)[name])]

    assert found[: len(FIELDS[name].split())] == FIELDS[name].split()


def test_a_fire_has_one_run() -> None:
    """However often it is asked, an execution gives the same id, a UUID of version 7."""
    one, other = tick_run(AT, "execution"), tick_run(AT, "another")

    assert one == tick_run(AT, "execution")
    assert one != other
    assert (UUID(one).version, UUID(one).variant) == (7, UUID(other).variant)
    assert UUID(one).int >> 80 == int(AT.timestamp() * 1000)


def test_what_is_triggered_by_hand_has_an_id_of_its_own() -> None:
    """It differs by one character from what the schedule itself would start."""
    found = tick_id("shop", "nightly", "2025-01-16T05:00:00Z")

    assert found == "flowstone/shop/schedule/nightly/2025-01-16T05:00:00Z"


def test_a_look_by_hand_has_an_id_of_its_own() -> None:
    """It is no id of a run that the sensor has started."""
    found = sense_id("shop", "uploads", "t1")

    assert found == "flowstone/shop/sensor/uploads/look/t1"


@pytest.mark.parametrize(
    "answer",
    [Checked(outcome="triggered", found=3, started=2), NotHere(why="no worker")],
    ids=lambda answer: answer.kind,
)
def test_the_answer_to_a_look_keeps_its_kind(answer: object) -> None:
    """What was found and an absence are told apart."""
    assert type(crossed(answer, CheckSensor.answer)) is type(answer)
