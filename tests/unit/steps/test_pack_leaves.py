"""What a pack leaves: to another worker, to another time, to nobody."""

from __future__ import annotations

import pytest

from flowstone.core.asset import asset
from flowstone.core.messages import Cell
from flowstone.core.replies import Left, Missing, NotHere, PackReply
from flowstone.core.space import single
from flowstone.io.memory import MemoryIO
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


def test_a_missing_input_is_named(bench: Make) -> None:
    """An input without a version is named by its number, and nothing is called."""
    shop = bench(raw, cleaned, report)
    shop.begin()
    shop.run("raw", "cleaned")
    shop.lose("cleaned")

    assert shop.run("report") == [Missing(nodes=[shop.cell("cleaned").node])]
    assert "report" not in CALLS
    assert shop.attempts("report") == ["left"]


def test_an_absent_input_is_not_missed(bench: Make) -> None:
    """What the flow says is absent is not read, and has its default."""
    shop = bench(raw, cleaned, report)
    shop.begin()
    shop.run("raw", "cleaned")
    shop.lose("raw")
    target = shop.cell("report")._replace(absent=(shop.cell("raw").node,))
    shop.run(target)

    assert shop.value("report") == 2


def test_an_input_shared_by_all_keys_is_made_again_for_all(bench: Make) -> None:
    """Whichever key has it made again, every key finds it."""

    @asset(partitions=single)
    def catalog() -> int:
        CALLS.append("catalog")
        return 5

    @asset
    def rows(catalog: int) -> int:
        return catalog

    shop = bench(catalog, rows)
    shop.begin("rows", verb="backfill", keys=["a", "b", "c"], policy="always")
    shop.run("catalog")
    shop.lose("catalog")
    assert shop.run("rows@1") == [Missing(nodes=[shop.cell("catalog").node])]
    replies = shop.run("catalog@1", "catalog@2", "rows@1")

    assert [r.kind for r in replies] == ["produced"] * 3
    assert [r.kind for r in shop.run("rows@2")] == ["produced"]
    assert CALLS == ["catalog", "catalog"]


def test_a_worker_without_the_asset_says_so(bench: Make) -> None:
    """What this worker lacks is left to another, and the rest is made."""
    whole = bench(raw, cleaned, report)
    whole.begin()
    part = whole.other(raw)
    found, lacking = part.run("raw", "cleaned")

    assert found.kind == "produced"
    assert isinstance(lacking, NotHere)
    assert "has the asset 'cleaned'" in lacking.why
    assert whole.attempts("cleaned") == []
    part.run("cleaned")
    assert "'cleaned'" in whole.toolbox.ledger.runs.last_note("r1")


def test_a_worker_with_other_code_says_so(bench: Make) -> None:
    """A run is made by the code that it was planned with."""

    @asset(name="raw", version="later")
    def other() -> int:
        return 2

    whole = bench(raw)
    whole.begin("raw")
    [reply] = whole.other(other).run("raw")

    assert isinstance(reply, NotHere)
    assert "has code later of 'raw'" in reply.why


def test_a_worker_without_the_manager_says_so(bench: Make) -> None:
    """A value is kept where its asset says, or by another worker."""

    @asset(io="lake")
    def deep() -> int:
        return 1

    whole = bench(deep, io={"default": MemoryIO(), "lake": MemoryIO()})
    whole.begin("deep")
    poor = whole.other(deep)
    poor.toolbox.io = {"default": MemoryIO()}
    [reply] = poor.run("deep")

    assert isinstance(reply, NotHere)
    assert "has no IO manager 'lake'" in reply.why


@pytest.mark.parametrize("known", [True, False])
def test_a_run_that_has_ended_is_closed(known: bool, bench: Make) -> None:
    """Nothing is made for a run that has ended, or that nobody knows."""
    shop = bench(raw)
    shop.begin("raw")
    if known:
        shop.end("cancelled")
        found = shop.pack("raw")
    else:
        found = shop.pack(Cell(0), run="r9")

    assert found == PackReply(replies=[Left()], closed=True)
    assert CALLS == []


# --- budget and failure -------------------------------------------------------------


def test_a_budget_of_nothing_makes_one(bench: Make) -> None:
    """Without a budget a pack makes one asset and leaves the rest, one each time."""
    shop = bench(raw, cleaned, report)
    shop.begin()
    found = [[r.kind for r in shop.pack("raw", "cleaned", "report", budget=0).replies]]
    found += [[r.kind for r in shop.pack("cleaned", "report", budget=0).replies]]
    found += [[r.kind for r in shop.pack("report", budget=0).replies]]

    assert found == [["produced", "left", "left"], ["produced", "left"], ["produced"]]
    assert CALLS == ["raw", "cleaned", "report"]


def test_a_failure_stops_a_backfill_that_is_to_stop(bench: Make) -> None:
    """Where a failure stops a backfill, what follows in its pack is left."""

    @asset
    def picky(raw: int) -> int:
        raise ValueError

    shop = bench(raw, picky)
    shop.begin("picky", verb="backfill", keys=["a", "b"], on_failure="stop")
    replies = shop.run("raw@0", "picky@0", "raw@1", "picky@1")

    assert [r.kind for r in replies] == ["produced", "raised", "left", "left"]


def test_a_failure_leaves_the_others_of_a_backfill(bench: Make) -> None:
    """Where a backfill goes on, so does its pack."""

    @asset
    def picky(raw: int) -> int:
        raise ValueError

    shop = bench(raw, picky)
    shop.begin("picky", verb="backfill", keys=["a", "b"])
    replies = shop.run("raw@0", "picky@0", "raw@1", "picky@1")

    assert [r.kind for r in replies] == ["produced", "raised"] * 2


def test_the_last_pack_ends_its_run(bench: Make) -> None:
    """Where nothing is left to do, the step that made the last ends the run."""
    shop = bench(raw, cleaned)
    shop.begin("cleaned")
    assert not shop.pack("raw", last=False).ended

    assert shop.pack("cleaned", last=True).ended
    assert shop.status() == "succeeded"


def test_the_last_pack_does_not_end_a_run_that_has_failed(bench: Make) -> None:
    """A run ends by a pack only where all of that pack was made."""

    @asset
    def fails() -> int:
        raise ValueError

    shop = bench(fails)
    shop.begin("fails")

    assert not shop.pack("fails", last=True).ended
    assert shop.status() == "running"
