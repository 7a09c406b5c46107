"""How often a function that fails is asked again, and when."""

from __future__ import annotations

import pytest

from flowstone.core.plan import Rule
from flowstone.core.replies import (
    Left,
    Missing,
    Produced,
    Raised,
    Reply,
    Snoozed,
    Superseded,
)
from tests.unit.core.driven import driven

ONE = {"report": list[str]()}
DECLARED = Rule(attempts=3, delay=2_000, declared=True)


def test_a_failure_is_tried_again_by_its_rule() -> None:
    """Each wait is longer than the one before, and the attempts are numbered."""
    run = driven(ONE, rules={"report": DECLARED})
    waits: list[float | None] = []
    attempts: list[int] = []
    for _ in range(2):
        run.answer(Raised())
        waits.append(run.due)
        run.wait(run.due or 0)
        attempts.append(run.state.cell(0).attempt)

    assert waits == [2, 4]
    assert attempts == [2, 3]


def test_a_failure_that_is_the_last_one_ends_it() -> None:
    """When the attempts are used up, the asset has failed."""
    run = driven(ONE, rules={"report": DECLARED})
    for _ in range(3):
        run.answer(Raised())
        run.wait(60)

    assert run.states == ["FAILED"]
    assert run.state.failed == 1
    assert run.due is None


def test_a_fatal_failure_is_not_tried_again() -> None:
    """What may not be tried again has failed, whatever attempts are left."""
    run = driven(ONE, rules={"report": DECLARED})
    run.answer(Raised(retryable=False, after=5))

    assert run.states == ["FAILED"]


def test_the_wait_that_was_asked_for_replaces_the_rule() -> None:
    """A function that says when to ask again is asked then."""
    run = driven(ONE, rules={"report": DECLARED})
    run.answer(Raised(after=90_000))

    assert run.due == 90


def test_a_wish_is_granted_for_ever_where_no_rule_was_declared() -> None:
    """Without a declared retry, a function is asked again as often as it wishes."""
    run = driven(ONE)
    for _ in range(50):
        run.answer(Raised(after=0))

    assert run.states == ["SLEEPING"]


def test_a_wish_counts_as_an_attempt_where_a_rule_was_declared() -> None:
    """With a declared retry, a wish uses up an attempt."""
    run = driven(ONE, rules={"report": DECLARED})
    for _ in range(3):
        run.answer(Raised(after=0))

    assert run.states == ["FAILED"]


def test_an_asset_that_is_made_again_starts_from_its_first_attempt() -> None:
    """Once it was made, its failures are forgotten."""
    run = driven({"raw": [], "report": ["raw"]}, rules={"raw": DECLARED})
    run.answer(Raised())
    run.wait(2)
    run.answer(Produced())
    run.answer(Missing(nodes=[0]))

    assert run.state.cell(0).attempt == 1


@pytest.mark.parametrize("reply", [Superseded(), Left(), Snoozed(millis=0)])
def test_what_is_no_failure_uses_up_no_attempt(reply: Reply) -> None:
    """A snooze, late work and work that was left count for nothing."""
    run = driven(ONE)
    run.answer(reply)

    assert run.cells() == [(0,)]
    assert run.state.cell(0).attempt == 1
