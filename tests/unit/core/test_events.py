"""Events: one vocabulary, with a class for each dotted name."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

import pytest

from flowstone.core.events import KINDS, of_kind
from flowstone.telemetry import (
    Event,
    GateOpened,
    MaterializationStopped,
    RunStarted,
)

NOW = datetime(2025, 1, 15, 6, tzinfo=UTC)


def test_a_kind_is_known_by_its_name() -> None:
    """A dotted name that was written down is read as its own class."""
    read = of_kind(
        Event(
            name="flowstone.materialization.stop",
            asset="report",
            key="2025-01-15",
            run="r",
            outcome="produced",
            at=NOW,
            extra={"version": "v", "millis": 3},
        )
    )

    assert read == MaterializationStopped(
        asset="report",
        key="2025-01-15",
        run="r",
        outcome="produced",
        at=NOW,
        version="v",
        millis=3,
    )
    assert read.data == {"version": "v", "millis": 3}


def test_what_another_release_wrote_is_kept() -> None:
    """A name and a fact that this release does not know are handed on as they are."""
    later = Event(name="flowstone.later", asset="a", extra={"new": 1})
    more = of_kind(
        Event(name="flowstone.run.start", asset="a", extra={"verb": "v", "new": 1})
    )

    assert of_kind(later) is later
    assert later.data == {"new": 1}
    assert isinstance(more, RunStarted)
    assert more.verb == "v"
    assert more.data == {"new": 1, "verb": "v"}


def test_what_is_not_known_is_not_said() -> None:
    """The data of an event have no place for facts that nobody knows."""
    gate = GateOpened(asset="a", outcome="held", gate="g")

    assert gate.data == {"gate": "g"}


def test_equal_events_are_one_event_told_twice() -> None:
    """An event can be put into a set, so that one told again is found out."""
    one = MaterializationStopped(asset="a", run="r", at=NOW, version="v")
    again = MaterializationStopped(asset="a", run="r", at=NOW, version="v")

    assert {one, again} == {one}


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_has_its_own_name_and_is_frozen(name: str) -> None:
    """Each class of events has a name of its own, and nobody changes one."""
    kind: Any = KINDS[name]
    event = kind(asset="a")

    assert name.startswith("flowstone.")
    assert event.name == name
    assert type(of_kind(Event(name=name, asset="a"))) is kind
    with pytest.raises(AttributeError):
        event.asset = "b"
    assert all(f.kw_only for f in fields(kind))
