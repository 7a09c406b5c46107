"""A run that is known to be short is made along with its plan."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flowstone.core.along import taken_along
from flowstone.core.messages import Cell, Request
from flowstone.core.plan import Skeleton
from tests.unit.flows.scripted import BEGIN, skeleton

REQUEST = Request(
    run="r1", verb="materialize_all", pipeline="shop", asset="report", key="k"
)
SHORT = skeleton(
    {"raw": [], "left": ["raw"], "right": ["raw"], "report": ["left", "right"]},
    millis={"raw": 10, "left": 20, "right": 30, "report": 40},
)


def test_all_of_a_short_run_is_taken_in_order() -> None:
    """Whatever fits the budget of one pack is made at once."""
    assert taken_along(SHORT, REQUEST, BEGIN) == [Cell(n) for n in range(4)]


@pytest.mark.parametrize(
    "request_",
    [
        replace(REQUEST, budget=99),
        replace(REQUEST, budget=0),
        replace(REQUEST, packs="off"),
        replace(REQUEST, verb="backfill"),
    ],
)
def test_what_was_asked_for_otherwise_is_left_to_the_flow(request_: Request) -> None:
    """A budget that it exceeds, an activity for each, and many keys are respected."""
    assert taken_along(SHORT, request_, BEGIN) == []


@pytest.mark.parametrize(
    "plan",
    [
        replace(SHORT, millis=[10, 20, -1, 40]),
        replace(SHORT, millis=[]),
        replace(SHORT, alone=[3]),
        # What cannot be told apart: there is nothing that its readers could read.
        replace(SHORT, given=[0], absent=[0]),
    ],
)
def test_what_is_not_known_to_be_short_is_left_to_the_flow(plan: Skeleton) -> None:
    """Nobody waits in a step for a stranger, nor for what asks to be alone."""
    assert taken_along(plan, REQUEST, BEGIN) == []


def test_what_was_given_need_not_be_known() -> None:
    """An input is not made, however long it took."""
    plan = replace(SHORT, given=[0], millis=[-1, 20, 30, 40])

    assert taken_along(plan, REQUEST, BEGIN) == [Cell(1), Cell(2), Cell(3)]


def test_an_absent_input_is_told_to_its_reader() -> None:
    """A cell knows which of the inputs that it can bear to lack has no value."""
    plan = replace(
        skeleton(
            {"raw": [], "extra": [], "report": ["raw", "extra"]},
            soft={"report": ["extra"]},
            millis={"raw": 1, "report": 1},
        ),
        given=[1],
        absent=[1],
    )

    assert taken_along(plan, REQUEST, BEGIN) == [Cell(0), Cell(2, absent=(1,))]
