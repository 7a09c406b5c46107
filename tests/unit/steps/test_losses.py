"""Workers are lost: what they held is taken over, and nobody's attempts are used up."""

from __future__ import annotations

import pytest

from flowstone.core.asset import asset
from flowstone.core.errors import WorkerLost
from flowstone.core.replies import Busy, Left, Produced, Raised, Reused
from flowstone.ledger.rows import error_of
from tests.unit.steps.bench import Make

CALLS: list[str] = []


@pytest.fixture(autouse=True)
def nobody_was_called() -> None:
    """Forget who was called."""
    CALLS.clear()


@asset
def raw() -> int:
    CALLS.append("raw")
    return 1


@asset
def report(raw: int) -> int:
    CALLS.append("report")
    return raw + 1


def test_the_second_attempt_of_a_pack_runs_nothing(bench: Make) -> None:
    """What was lost together is made one by one, so that one does not fail all."""
    shop = bench(raw, report)
    shop.begin()
    shop.lose_worker("raw", "report", dispatch=5)
    found = shop.pack("raw", "report", dispatch=5, attempt=2)

    assert found.replies == [Left(solo=True), Left(solo=True)]
    assert CALLS == []
    assert shop.attempts("raw") == shop.attempts("report") == ["lost", "left"]
    assert shop.claims() == []


def test_what_was_committed_before_the_loss_is_produced(bench: Make) -> None:
    """The second attempt finds what the first has made, and how long is unknown."""
    shop = bench(raw, report)
    shop.begin()
    shop.run("raw")
    shop.lose_worker("report", dispatch=5)
    found = shop.pack("raw", "report", dispatch=5, attempt=2)

    assert found.replies == [Produced(millis=-1), Left(solo=True)]


def test_a_worker_that_lacks_an_asset_answers_the_second_attempt(bench: Make) -> None:
    """What it lacks it leaves to another worker, as ever."""
    shop = bench(raw, report)
    shop.begin()
    shop.lose_worker("raw", "report", dispatch=5)
    found = shop.other(raw).pack("raw", "report", dispatch=5, attempt=2)

    assert [r.kind for r in found.replies] == ["left", "not_here"]


def test_one_that_was_alone_is_made_by_the_next_attempt(bench: Make) -> None:
    """A lost worker costs an attempt of the step, and none of the function's."""
    shop = bench(raw)
    shop.begin("raw")
    shop.lose_worker("raw", dispatch=5)
    found = shop.pack("raw", dispatch=5, attempt=2)

    assert [r.kind for r in found.replies] == ["produced"]
    assert shop.attempts("raw") == ["lost", "committed"]


def test_five_workers_lost_with_one_asset_are_enough(bench: Make) -> None:
    """An asset that takes down every worker fails, before it takes down another."""
    shop = bench(raw)
    shop.begin("raw")
    for attempt in range(1, 6):
        shop.lose_worker("raw", dispatch=5, attempt=attempt)
    found = shop.pack("raw", dispatch=5, attempt=6)

    assert found.replies == [Raised(retryable=False)]
    assert CALLS == []
    [(written,)] = shop.ask("SELECT error FROM flowstone_run_nodes")
    error = error_of(str(written))
    assert isinstance(error, WorkerLost)
    assert (error.asset, error.times) == ("raw", 5)


def test_four_workers_are_not_enough(bench: Make) -> None:
    """An asset is tried until five workers were lost with it."""
    shop = bench(raw)
    shop.begin("raw")
    for attempt in range(1, 5):
        shop.lose_worker("raw", dispatch=5, attempt=attempt)
    found = shop.pack("raw", dispatch=5, attempt=5)

    assert [r.kind for r in found.replies] == ["produced"]


def test_losses_in_company_do_not_count(bench: Make) -> None:
    """Who was lost with others may not be to blame."""
    shop = bench(raw, report)
    shop.begin()
    for dispatch in range(10, 20):
        shop.lose_worker("raw", "report", dispatch=dispatch)
        shop.pack("raw", "report", dispatch=dispatch, attempt=2)

    assert [r.kind for r in shop.pack("raw", dispatch=30).replies] == ["produced"]


def test_losses_of_another_dispatch_do_not_count(bench: Make) -> None:
    """Only workers that were lost in a row, without a reply, tell of the asset."""
    shop = bench(raw)
    shop.begin("raw")
    for dispatch in (10, 11):
        for attempt in range(1, 5):
            shop.lose_worker("raw", dispatch=dispatch, attempt=attempt)
    found = shop.pack("raw", dispatch=11, attempt=5)

    assert [r.kind for r in found.replies] == ["produced"]


def test_a_later_dispatch_takes_over_what_an_earlier_one_left(bench: Make) -> None:
    """A claim of the same workflow is its own; another shard's is busy."""
    shop = bench(raw)
    shop.begin("raw")
    shop.lose_worker("raw", dispatch=5)
    assert shop.pack("raw", dispatch=6, workflow="another shard").replies == [
        Busy(owner="r1")
    ]

    assert [r.kind for r in shop.pack("raw", dispatch=6).replies] == ["produced"]


def test_a_frozen_worker_that_thaws_changes_nothing(bench: Make) -> None:
    """Late work is superseded, and the newer version stands."""

    @asset
    def frozen() -> int:
        CALLS.append("frozen")
        if len(CALLS) == 1:
            # While it was frozen another attempt has made it.
            shop.pack("frozen", dispatch=5, attempt=2)
        return len(CALLS)

    shop = bench(frozen)
    shop.begin("frozen")
    found = shop.pack("frozen", dispatch=5)

    assert found.replies == [Produced(millis=-1)]
    assert shop.value("frozen") == 2


def test_a_step_that_is_asked_again_after_its_commit_answers_the_same(
    bench: Make,
) -> None:
    """A reply that was lost is given again, and nothing is done twice."""
    shop = bench(raw, report)
    shop.begin()
    shop.pack("raw", "report", dispatch=5)
    found = shop.pack("raw", "report", dispatch=5, attempt=2)

    assert found.replies == [Produced(millis=-1)] * 2
    assert CALLS == ["raw", "report"]


def test_a_value_that_was_taken_before_the_loss_is_taken(bench: Make) -> None:
    """What a run has taken of another run it has, after a loss too."""
    shop = bench(raw)
    shop.begin("raw", run="r0")
    shop.run("raw", run="r0")
    shop.begin("raw")

    assert shop.pack("raw", dispatch=5).replies == [Reused()]
    assert shop.pack("raw", dispatch=5, attempt=2).replies == [Produced(millis=-1)]
