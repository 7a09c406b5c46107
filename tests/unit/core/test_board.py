"""How the end of one cell reaches those that wait for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from flowstone.core.board import Board, judge
from flowstone.core.messages import Status
from flowstone.core.table import State
from tests.unit.core.driven import CHAIN, FAN
from tests.unit.flows.scripted import skeleton

MADE, FAILED, BYPASSED = State.MADE, State.FAILED, State.BYPASSED
BLOCKED, CANCELLED = State.BLOCKED, State.CANCELLED


def board(
    waits: Mapping[str, Sequence[str]],
    *states: State,
    soft: Mapping[str, Sequence[str]] | None = None,
) -> Board:
    """Make a board; what is not said is pending."""
    table = bytearray([*states, *[State.PENDING] * (len(waits) - len(states))])
    return Board(skeleton(waits, soft=soft), table)


def named(board: Board) -> list[str]:
    return [State(state).name for state in board.table]


@pytest.mark.parametrize(
    ("targets", "status"),
    [
        ([], "succeeded"),
        ([MADE], "succeeded"),
        ([State.REUSED, BYPASSED], "succeeded"),
        ([BYPASSED, BYPASSED], "skipped"),
        ([MADE, CANCELLED], "cancelled"),
        ([CANCELLED, FAILED, MADE], "failed"),
        ([BLOCKED], "failed"),
    ],
)
def test_a_run_is_judged_by_its_target(targets: list[State], status: Status) -> None:
    """A failure counts more than a cancellation, and either more than a success."""
    assert judge(targets) == status


def test_what_waits_for_nothing_is_ready() -> None:
    """A board begins with what may start, and the count of what is to do."""
    found = board(FAN)

    assert named(found) == ["READY", "PENDING", "PENDING", "PENDING"]
    assert (found.ready, found.unsettled, found.left) == ([0], 4, [0, 1, 1, 2])


def test_a_board_goes_on_where_it_was() -> None:
    """A table that was begun gives the same board as playing up to there."""
    found = board(FAN, MADE, FAILED, State.SLEEPING)

    assert found.left == [0, 0, 0, 1]
    assert (found.unsettled, found.failed, found.implied) == (2, 0, 0)
    found.settle(2, MADE)
    found.open_up()
    assert named(found)[-1] == "BLOCKED"
    assert (found.unsettled, found.failed, found.implied) == (0, 1, 1)


def test_what_nobody_wrote_is_counted() -> None:
    """Ends that follow from others are told from those that a step has written."""
    written = board({"raw": [], "report": ["raw"]}, MADE, BYPASSED)
    follows = board({"raw": [], "report": ["raw"]}, BYPASSED, BYPASSED)
    borne = board(
        {"raw": [], "report": ["raw"]}, BYPASSED, BYPASSED, soft={"report": ["raw"]}
    )

    assert [b.implied for b in (written, follows, borne)] == [0, 1, 0]
    assert board(CHAIN, FAILED, BLOCKED, BLOCKED).implied == 2
    assert board(CHAIN, CANCELLED, CANCELLED, CANCELLED).implied == 2


@pytest.mark.parametrize(
    ("left", "right", "report"),
    [
        (MADE, State.REUSED, "READY"),
        (FAILED, CANCELLED, "BLOCKED"),
        (BLOCKED, BYPASSED, "BLOCKED"),
        (CANCELLED, BYPASSED, "CANCELLED"),
        (BYPASSED, MADE, "BYPASSED"),
    ],
)
def test_the_worst_of_several_ends_decides(
    left: State, right: State, report: str
) -> None:
    """A failure blocks, a cancellation cancels, a skip skips; else it may start."""
    found = board(FAN, MADE, left, right)

    assert named(found)[-1] == report


def test_an_end_waits_for_the_others() -> None:
    """What waits for two is decided when both have ended."""
    found = board(FAN, MADE)
    found.settle(1, FAILED)
    found.open_up()

    assert named(found)[-1] == "PENDING"


def test_what_is_reopened_waits_for_what_has_not_ended() -> None:
    """A cell starts again when all that it waits for has ended, and says whether."""
    found = board(FAN, MADE, State.RUNNING, State.RUNNING)

    assert found.reopen(1)
    assert not found.reopen(3)
    assert named(found) == ["MADE", "READY", "RUNNING", "PENDING"]


def test_what_is_set_back_is_made_again_first() -> None:
    """Readers that were ready wait again; those that were made do not."""
    found = board(FAN, MADE, MADE)
    assert named(found) == ["MADE", "MADE", "READY", "PENDING"]
    found.set_back(0)

    assert named(found) == ["READY", "MADE", "PENDING", "PENDING"]
    assert (found.left, found.unsettled) == ([0, 1, 1, 1], 3)


def test_what_was_set_back_before_it_opened_waits() -> None:
    """A reader whose last upstream ended and was lost again does not open."""
    found = board(CHAIN, State.RUNNING)
    found.settle(0, MADE)
    found.set_back(0)
    found.open_up()

    assert named(found) == ["READY", "PENDING", "PENDING"]


def test_what_is_cancelled_ends_all_that_has_not_ended() -> None:
    """Nothing is left to do, and nothing is opened afterwards."""
    found = board(FAN, MADE, State.WAITING)
    found.cancel()
    found.open_up()

    assert named(found) == ["MADE", "CANCELLED", "CANCELLED", "CANCELLED"]
    assert (found.unsettled, found.implied) == (0, 3)


def test_keys_do_not_touch_each_other() -> None:
    """The same graph stands once for each key."""
    found = Board(skeleton(CHAIN), bytearray(6))
    found.settle(0, FAILED)
    found.open_up()

    assert named(found) == ["FAILED", "BLOCKED", "BLOCKED", "READY", *["PENDING"] * 2]
    assert list(found.targets) == [BLOCKED, State.PENDING]
    assert found.failed == 1
