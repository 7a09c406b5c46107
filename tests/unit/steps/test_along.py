"""A short run is made by the step that plans it, and by no other."""

from __future__ import annotations

import pytest

from flowstone.core.asset import asset
from flowstone.core.messages import Ended, Planned, Request
from flowstone.core.outcome import Fatal
from flowstone.core.replies import Left, Produced, Raised
from flowstone.core.table import State
from tests.unit.steps.bench import Bench, Make

DISTURBED: list[str] = []


@asset
def raw() -> int:
    return 1


@asset
def report(raw: int) -> int:
    if DISTURBED:
        raise Fatal(DISTURBED[0])
    return raw + 1


def known(shop: Bench) -> Bench:
    """Have durations of both assets on record."""
    shop.begin(run="r0")
    shop.run("raw", "report", run="r0")
    shop.end("succeeded", State.MADE, State.MADE, run="r0")
    return shop


def asked(run: str = "r2") -> Request:
    return Request(
        run=run,
        verb="materialize_all",
        pipeline="shop",
        asset="report",
        policy="always",
    )


def test_a_short_run_is_made_and_ended_with_its_plan(bench: Make) -> None:
    """One step plans, makes and ends it."""
    shop = known(bench(raw, report))
    found = shop.plan(asked(), along=True)

    assert isinstance(found, Planned)
    assert found.first is not None
    assert list(found.first.cells) == [0, 1]
    assert [type(r) for r in found.first.reply.replies] == [Produced, Produced]
    assert found.first.reply.ended
    assert shop.status("r2") == "succeeded"
    assert shop.value("report") == 2


def test_a_run_of_unknown_length_is_planned_alone(bench: Make) -> None:
    """Nothing is made before its flow has said so."""
    shop = bench(raw, report)
    found = shop.plan(asked(), along=True)

    assert isinstance(found, Planned)
    assert found.first is None
    assert shop.attempts("report") == []


def test_a_flow_that_did_not_ask_gets_its_plan_alone(bench: Make) -> None:
    """A flow of an earlier release decides for itself what runs."""
    found = known(bench(raw, report)).plan(asked())

    assert isinstance(found, Planned)
    assert found.first is None


def test_what_fails_along_is_told_as_in_any_pack(
    bench: Make, request: pytest.FixtureRequest
) -> None:
    """What was made stays made; the flow decides on what was not."""
    shop = known(bench(raw, report))
    DISTURBED.append("no")
    request.addfinalizer(DISTURBED.clear)
    found = shop.plan(asked(), along=True)

    assert isinstance(found, Planned)
    assert found.first is not None
    assert [type(r) for r in found.first.reply.replies] == [Produced, Raised]
    assert not found.first.reply.ended
    assert shop.status("r2") == "running"


def test_a_lost_reply_is_given_again(bench: Make) -> None:
    """The run has ended, well: so says the next attempt, and makes nothing."""
    shop = known(bench(raw, report))
    shop.plan(asked(), along=True)
    again = shop.plan(asked(), along=True, attempt=2)

    assert again == Ended(status="succeeded")
    assert shop.attempts("report") == ["committed", "committed"]


def test_after_a_lost_worker_the_flow_has_each_made_apart(bench: Make) -> None:
    """An attempt that was lost is ended as such; the next one runs no function."""
    shop = known(bench(raw, report))
    shop.plan(asked("r1"))
    shop.lose_worker("raw", "report", dispatch=0, reusable=False)
    again = shop.plan(asked("r1"), along=True, attempt=2)

    assert isinstance(again, Planned)
    assert again.first is not None
    assert list(again.first.reply.replies) == [Left(solo=True), Left(solo=True)]
    assert shop.attempts("raw") == ["committed", "lost", "left"]


def test_a_first_attempt_that_comes_late_makes_nothing(bench: Make) -> None:
    """Frozen before it had planned, it finds that the next one has; that one goes on."""
    shop = known(bench(raw, report))
    next_one = shop.plan(asked("r1"), along=True, attempt=2)
    late = shop.plan(asked("r1"), along=True)

    assert isinstance(next_one, Planned)
    assert isinstance(late, Planned)
    assert (next_one.first, late.first) == (None, None)
    assert shop.attempts("raw") == ["committed"]
    assert shop.status("r1") == "running"


def test_a_start_whose_answer_was_lost_is_told_after_all(bench: Make) -> None:
    """A commit that is done again finds its plan; whoever listens hears of the run."""
    shop = bench(raw, report)
    shop.plan(asked("r1"))
    heard: list[str] = []
    shop.toolbox.telemetry.attach(lambda event: heard.append(event.name))
    shop.plan(asked("r1"))

    assert heard == ["flowstone.run.start"]
