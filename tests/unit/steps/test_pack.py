"""A pack makes its cells in order, and says of each what became of it."""

from __future__ import annotations

from typing import cast

import pytest

from flowstone.core.asset import asset
from flowstone.core.outcome import Approval, Skip, Snooze
from flowstone.core.policy import SECOND, Retry
from flowstone.core.replies import (
    Busy,
    Left,
    Produced,
    Raised,
    Reused,
    Skipped,
    Snoozed,
)
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
def cleaned(raw: int) -> int:
    CALLS.append("cleaned")
    return raw + 1


@asset
def report(cleaned: int, raw: int = 0) -> int:
    CALLS.append("report")
    return cleaned + raw


def test_cells_are_made_in_their_order(bench: Make) -> None:
    """Each asset is called once, with what those before it have made."""
    shop = bench(raw, cleaned, report)
    shop.begin()

    assert [r.kind for r in shop.run("raw", "cleaned", "report")] == ["produced"] * 3
    assert CALLS == ["raw", "cleaned", "report"]
    assert shop.value("report") == 3


def test_a_pack_reads_what_others_have_made(bench: Make) -> None:
    """Whatever pack made an input, it is the version that this run has of it."""
    shop = bench(raw, cleaned, report)
    shop.begin()
    shop.run("raw")
    shop.run("cleaned", "report")

    assert shop.value("report") == 3
    assert shop.reads("report") == {
        "cleaned": shop.version_id("cleaned"),
        "raw": shop.version_id("raw"),
    }


def test_no_claim_outlives_its_step(bench: Make) -> None:
    """When a step has answered, nothing is claimed, and no attempt is open."""
    shop = bench(raw, cleaned, report)
    shop.begin()
    shop.run("raw", "cleaned")

    assert shop.claims() == []
    assert shop.attempts("raw") == ["committed"]


def test_what_was_made_is_not_made_again(bench: Make) -> None:
    """A step that is asked twice calls no function twice."""
    shop = bench(raw, cleaned, report)
    shop.begin()
    shop.run("raw")

    assert shop.run("raw") == [Produced(millis=-1)]
    assert CALLS == ["raw"]


def test_a_value_of_another_run_is_taken(bench: Make) -> None:
    """What exists is used again, unless the run makes all anew."""
    shop = bench(raw)
    shop.begin("raw", run="r1")
    shop.run("raw", run="r1")
    shop.begin("raw", run="r2")
    assert shop.run("raw", run="r2") == [Reused()]
    shop.begin("raw", run="r3", policy="always")

    assert [r.kind for r in shop.run("raw", run="r3")] == ["produced"]
    assert CALLS == ["raw", "raw"]


def test_a_volatile_asset_is_never_used_again(bench: Make) -> None:
    """What is declared volatile is made by each run."""

    @asset(volatile=True)
    def now() -> int:
        CALLS.append("now")
        return 1

    shop = bench(now)
    for run in ("r1", "r2"):
        shop.begin("now", run=run)
        shop.run("now", run=run)

    assert CALLS == ["now", "now"]


def test_what_another_run_makes_is_busy(bench: Make) -> None:
    """A live claim of another run is told, with whose it is."""
    shop = bench(raw)
    shop.begin("raw", run="r1")
    shop.claim("raw", run="r0")

    assert shop.run("raw") == [Busy(owner="r0")]
    assert CALLS == []


# --- what did not come to be --------------------------------------------------------


def test_what_ends_otherwise_takes_its_readers_along(bench: Make) -> None:
    """A reader of what was not made is left; what does not need it goes on."""

    @asset
    def skips() -> Skip:
        return Skip("no news")

    @asset
    def reader(skips: int) -> int:
        return skips

    shop = bench(raw, skips, reader)
    shop.begin("reader")

    assert shop.run("skips", "reader") == [Skipped(), Left()]
    assert shop.attempts("reader") == ["left"]


@pytest.mark.parametrize(
    ("outcome", "reply", "state"),
    [
        (Skip("no news"), Skipped(), "skipped"),
        (Snooze(SECOND), Snoozed(millis=1_000), "snoozed"),
        (Snooze(-SECOND), Snoozed(millis=0), "snoozed"),
        (Approval(object()), Raised(retryable=False), "failed"),
        (Approval(5, message=cast("str", 5)), Raised(retryable=False), "failed"),
    ],
)
def test_an_outcome_is_no_value(
    outcome: object, reply: object, state: str, bench: Make
) -> None:
    """What a function returns besides its value is told, and never stored."""

    @asset(version="1")
    def odd() -> object:
        return outcome

    shop = bench(odd)
    shop.begin("odd")

    assert shop.run("odd") == [reply]
    assert shop.attempts("odd") == [state]
    assert shop.version("odd") is None


def test_a_failure_is_told_with_its_traceback(bench: Make) -> None:
    """What a function raised is in the ledger, from its own lines on."""

    @asset(retry=Retry(attempts=3))
    def fails() -> int:
        message = "no rows"
        raise ValueError(message)

    shop = bench(fails)
    shop.begin("fails")
    error = shop.error("fails", shop.run(shop.cell("fails", attempt=2)))

    assert (error.error_type, error.error) == ("ValueError", "no rows")
    assert error.attempts == 2
    assert "in fails" in error.details
    assert "flowstone" not in error.details


def test_an_asset_that_cannot_be_stored_has_failed(bench: Make) -> None:
    """A value without an encoding is a failure that another attempt would repeat."""

    @asset
    def odd() -> object:
        return object()

    shop = bench(odd)
    shop.begin("odd")
    replies = shop.run("odd")

    assert replies == [Raised(retryable=False)]
    assert shop.error("odd", replies).error_type == "CodecError"


def test_a_reader_whose_annotation_does_not_fit_has_failed(bench: Make) -> None:
    """A stored value that is not what its reader takes is that reader's failure."""

    @asset
    def reader(raw: list[str]) -> int:
        return len(raw)

    shop = bench(raw, reader)
    shop.begin("reader")
    replies = shop.run("raw", "reader")

    assert [r.kind for r in replies] == ["produced", "raised"]
    assert shop.error("reader", replies).error_type == "CodecError"
