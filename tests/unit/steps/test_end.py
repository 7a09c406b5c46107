"""A run's end is written with all that no other step has written."""

from __future__ import annotations

from flowstone.core.asset import Asset, asset
from flowstone.core.errors import (
    AssetFailed,
    RunCancelled,
    RunError,
    UpstreamFailed,
    from_data,
)
from flowstone.core.messages import Ended, EndRun
from flowstone.core.outcome import Skip
from flowstone.core.space import single
from flowstone.core.table import State, write_table
from flowstone.ledger.rows import error_of
from tests.unit.steps.bench import Bench, Make

MADE, FAILED, BLOCKED = State.MADE, State.FAILED, State.BLOCKED
BYPASSED, CANCELLED = State.BYPASSED, State.CANCELLED


@asset
def fails() -> int:
    message = "no rows"
    raise ValueError(message)


@asset
def skips() -> Skip:
    return Skip("no news")


def after(name: str, needs: str) -> Asset[..., int]:
    @asset(name=name, needs={"up": needs})
    def after(up: int) -> int:
        return up

    return after


def failed(ended: Ended) -> object:
    """Give why a run failed, which it did."""
    assert ended.status == "failed"
    assert ended.error is not None
    return from_data(ended.error)


def cells(shop: Bench) -> dict[object, object]:
    """Give the state of each cell that was written, by key and node."""
    rows = shop.ask("SELECT key_number, node, state FROM flowstone_run_nodes")
    return {(key, node): state for key, node, state in rows}


def test_a_failed_run_says_why(bench: Make) -> None:
    """The error of the target is the run's; its traceback stays in the ledger."""
    shop = bench(fails)
    shop.begin("fails")
    shop.run("fails")
    error = failed(shop.end("failed", FAILED))

    assert isinstance(error, AssetFailed)
    assert (error.error, error.details) == ("no rows", "")
    row = shop.toolbox.ledger.runs.get("r1")
    assert row is not None
    assert isinstance(row.error, AssetFailed)
    assert "Traceback" in row.error.details


def test_a_blocked_target_names_what_failed(bench: Make) -> None:
    """However far upstream it was, what failed is named, and why."""
    shop = bench(fails, after("b", "fails"), after("c", "b"))
    shop.begin("c")
    shop.run("fails", "b", "c")
    error = failed(shop.end("failed", FAILED, BLOCKED, BLOCKED))

    assert isinstance(error, UpstreamFailed)
    assert (error.asset, error.upstream) == ("c", "fails")
    assert isinstance(error.cause, AssetFailed)
    assert error.cause.details == ""
    [(written,)] = shop.ask("SELECT error FROM flowstone_run_nodes WHERE node = 1")
    beside = error_of(str(written))
    assert isinstance(beside, UpstreamFailed)
    assert beside.asset == "b"
    assert cells(shop) == {(0, 0): FAILED, (0, 1): BLOCKED, (0, 2): BLOCKED}


def test_a_failure_that_all_keys_share_is_named_for_each(bench: Make) -> None:
    """What is made once and failed blocks every key."""

    @asset(name="fails", partitions=single)
    def catalog() -> int:
        raise ValueError

    shop = bench(catalog, after("rows", "fails"))
    shop.begin("rows", verb="backfill", keys=["a", "b"])
    shop.run("fails")
    error = failed(shop.end("failed", FAILED, BLOCKED, FAILED, BLOCKED))

    assert isinstance(error, RunError)
    assert str(error) == "2 of 2 partitions of 'rows' failed."
    [(written,)] = shop.ask(
        "SELECT error FROM flowstone_run_nodes WHERE node = 1 AND key_number = 1"
    )
    beside = error_of(str(written))
    assert isinstance(beside, UpstreamFailed)
    assert (beside.partition, beside.upstream) == ("b", "fails")
    assert beside.cause is not None


def test_a_failure_that_nobody_wrote_is_told_all_the_same(bench: Make) -> None:
    """What a flow gave up, without a step that failed, is a failure."""
    shop = bench(fails)
    shop.begin("fails")

    assert isinstance(failed(shop.end("failed", FAILED)), RunError)


def test_a_cancelled_run_says_so(bench: Make) -> None:
    """What has not ended is cancelled, and its claims are let go."""
    shop = bench(fails, after("b", "fails"))
    shop.begin("b")
    shop.claim("b", run="r1")
    found = shop.end("cancelled", CANCELLED, CANCELLED)

    assert found.error is not None
    assert isinstance(from_data(found.error), RunCancelled)
    assert cells(shop) == {(0, 0): CANCELLED, (0, 1): CANCELLED}
    assert (shop.status(), shop.claims()) == ("cancelled", [])


def test_what_was_skipped_for_another_is_written(bench: Make) -> None:
    """A skip keeps its own reason, and what follows from it is written beside."""
    shop = bench(skips, after("b", "skips"))
    shop.begin("b")
    shop.run("skips", "b")
    found = shop.end("skipped", BYPASSED, BYPASSED)

    assert found == Ended(status="skipped")
    rows = shop.ask("SELECT node, state, reason FROM flowstone_run_nodes ORDER BY node")
    assert rows == [(0, BYPASSED, "no news"), (1, BYPASSED, "")]
    assert [
        (e.asset, e.outcome)
        for e in shop.toolbox.ledger.runs.events("r1")
        if e.name == "flowstone.materialization.stop"
    ] == [("skips", "skipped"), ("b", "skipped")]


def test_an_end_is_written_once(bench: Make) -> None:
    """A step that ends a run twice changes nothing the second time."""
    shop = bench(fails)
    shop.begin("fails")
    shop.run("fails")
    first = shop.end("failed", FAILED)
    before = shop.ask("SELECT count(*) FROM flowstone_events")

    assert shop.end("failed", FAILED) == first
    assert shop.ask("SELECT count(*) FROM flowstone_events") == before


def test_a_run_that_was_never_planned_is_ended(bench: Make) -> None:
    """A run that was cancelled before any worker had planned it has ended."""
    shop = bench(fails)
    shop.begin("fails")
    shop.change("UPDATE flowstone_runs SET status = 'starting', plan = NULL")
    found = shop.other(fails).do(
        EndRun(run="r1", status="cancelled", table=write_table([]))
    )

    assert found == Ended(status="cancelled")
    assert shop.status() == "cancelled"


def test_a_run_that_nobody_knows_has_ended(bench: Make) -> None:
    """Where the database has forgotten the run, nothing is left to write."""
    step = EndRun(run="r9", status="cancelled", table=write_table([]))

    assert bench(fails).do(step) == Ended(status="cancelled")
