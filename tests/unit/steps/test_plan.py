"""A run is planned once, whatever is lost or deployed meanwhile."""

from __future__ import annotations

import pytest

from flowstone.core.asset import asset
from flowstone.core.errors import from_data
from flowstone.core.messages import Ended, Planned, ReadPlan, Request
from flowstone.core.policy import Retry
from flowstone.core.replies import NotHere, Produced
from flowstone.core.space import single
from tests.unit.steps.bench import WORKFLOW, Make


@asset
def raw() -> int:
    return 1


@asset
def extra() -> int:
    return 2


@asset
def report(raw: int, extra: int = 0) -> int:
    return raw + extra


@asset(name="report", version="newer")
def newer_report(raw: int, extra: int = 0) -> int:
    return raw + extra


@asset(name="report", version="wider")
def wider_report(raw: int, extra: int) -> int:
    return raw + extra


def request(verb: str = "materialize_all", *, run: str = "r1") -> Request:
    kinds = {
        "materialize": Request(
            run=run, verb="materialize", pipeline="shop", asset="report", key="k"
        ),
        "backfill": Request(
            run=run, verb="backfill", pipeline="shop", asset="report", keys=3
        ),
    }
    whole = Request(
        run=run, verb="materialize_all", pipeline="shop", asset="report", key="k"
    )
    return kinds.get(verb, whole)


def test_a_flow_learns_what_it_needs_of_a_plan(bench: Make) -> None:
    """A plan is a row, and its skeleton is the answer."""
    shop = bench(raw, extra, report)
    found = shop.begin()

    assert sorted(found.skeleton.names) == ["extra", "raw", "report"]
    assert found.skeleton.names[-1] == "report"
    assert list(found.skeleton.millis) == [-1, -1, -1]
    assert shop.status() == "running"
    assert shop.do(ReadPlan(run="r1")) == found


def test_a_run_that_moves_is_planned_with_the_code_that_is_there(bench: Make) -> None:
    """What is not made yet is made by the worker that the run has moved to."""
    shop = bench(raw, extra, report)
    before = shop.begin()
    shop.run("raw")
    newer = shop.other(raw, extra, newer_report)

    stays = newer.do(ReadPlan(run="r1"))
    moved = newer.do(ReadPlan(run="r1", adopt=True))
    assert stays.skeleton.plan == before.skeleton.plan != moved.skeleton.plan
    assert list(moved.skeleton.names) == list(before.skeleton.names)
    made = newer.run("extra", "report")
    assert [type(reply) for reply in made] == [Produced, Produced]
    found = newer.version("report")
    assert found is not None
    assert found.code == "newer"
    [(audited,)] = shop.ask(
        "SELECT count(*) FROM flowstone_audit WHERE action = 'run.moved'"
    )
    assert audited == 1


def test_a_run_does_not_move_to_another_graph(bench: Make) -> None:
    """Where assets read something else now, a run waits for those that it knows."""
    shop = bench(raw, extra, report)
    before = shop.begin()
    other = shop.other(raw, extra, wider_report)

    assert other.do(ReadPlan(run="r1", adopt=True)) == before
    assert isinstance(other.run("report")[0], NotHere)


def test_a_run_does_not_move_to_where_its_target_is_unknown(bench: Make) -> None:
    """A worker that lacks the target leaves the plan as it is."""
    shop = bench(raw, extra, report)
    before = shop.begin()

    assert shop.other(raw).do(ReadPlan(run="r1", adopt=True)) == before


def test_a_run_that_has_ended_does_not_move(bench: Make) -> None:
    """Its plan tells how it was made."""
    shop = bench(raw, extra, report)
    before = shop.begin()
    shop.end("cancelled")

    newer = shop.other(raw, extra, newer_report)
    assert newer.do(ReadPlan(run="r1", adopt=True)) == before


def test_how_long_assets_took_is_known_to_the_next_run(bench: Make) -> None:
    """Durations of earlier versions are in the skeleton."""
    shop = bench(raw)
    shop.begin("raw")
    shop.run("raw")
    shop.change("UPDATE flowstone_versions SET millis = 70")

    assert list(shop.begin("raw", run="r2").skeleton.millis) == [70]


def test_a_run_whose_row_is_missing_is_written_anew(bench: Make) -> None:
    """Everything that a run needs travels with it."""
    shop = bench(raw, extra, report)
    found = shop.plan(request())

    assert isinstance(found, Planned)
    row = shop.toolbox.ledger.runs.get("r1")
    assert row is not None
    assert (row.actor, list(row.keys)) == ("recovered", ["k"])
    assert (row.status, row.workflow) == ("running", WORKFLOW)


@pytest.mark.parametrize("lacking", [True, False])
def test_a_backfill_whose_row_is_missing_ends(lacking: bool, bench: Make) -> None:
    """The keys of a backfill are in its row: without it nothing can be made."""
    shop = bench(raw) if lacking else bench(raw, extra, report)
    found = shop.plan(request("backfill"))

    assert isinstance(found, Ended)
    assert found.status == "failed"
    assert found.error is not None
    assert "Start the backfill again" in str(from_data(found.error))
    assert shop.toolbox.ledger.runs.get("r1") is None


def test_a_run_that_was_cancelled_before_it_began_does_not_begin(bench: Make) -> None:
    """A run that has ended is not planned."""
    shop = bench(raw, extra, report)
    shop.begin()
    shop.end("cancelled")

    found = shop.plan(request())
    assert isinstance(found, Ended)
    assert found.status == "cancelled"


def test_a_worker_without_the_target_says_so(bench: Make) -> None:
    """The run is known, and why it waits, before any worker has planned it."""
    shop = bench(raw)
    found = shop.plan(request())

    assert isinstance(found, NotHere)
    assert "has the asset 'report'; start one" in found.why
    assert shop.status() == "starting"
    assert shop.toolbox.ledger.runs.last_note("r1") == found.why


# --- what is given ------------------------------------------------------------------


def test_what_a_run_takes_as_it_is_is_pinned(bench: Make) -> None:
    """An input is the version that there was when the run was planned."""
    shop = bench(raw, extra, report)
    shop.begin("raw", run="r0", policy="always")
    shop.run("raw", run="r0")
    pinned = shop.version_id("raw")
    found = shop.begin(verb="materialize")
    assert found.skeleton.absent == [found.skeleton.names.index("extra")]
    shop.begin("raw", run="r2", policy="always")
    shop.run("raw", run="r2")
    shop.run(shop.cell("report")._replace(absent=tuple(found.skeleton.absent)))

    assert shop.reads("report") == {"raw": pinned}


def test_an_input_that_was_never_made_ends_the_run(bench: Make) -> None:
    """Making only one asset needs what it reads."""
    shop = bench(raw, extra, report)
    found = shop.plan(request("materialize"))

    assert isinstance(found, Ended)
    assert found.error is not None
    assert "'report' @ k needs 'raw', which was never made" in str(
        from_data(found.error)
    )
    assert shop.status() == "failed"


def test_a_single_input_is_read_at_no_key(bench: Make) -> None:
    """What has no partitions is given to any key."""

    @asset(partitions=single)
    def catalog() -> int:
        return 5

    @asset
    def rows(catalog: int) -> int:
        return catalog

    shop = bench(catalog, rows)
    shop.begin("catalog", run="r0")
    shop.run("catalog", run="r0")
    shop.begin("rows", verb="materialize", keys=["k"])
    shop.run("rows")

    assert shop.value("rows", "k") == 5


# --- planned before -----------------------------------------------------------------


def test_a_plan_that_is_asked_for_again_is_the_same(bench: Make) -> None:
    """A second attempt at planning finds the plan, and the versions it pinned."""
    shop = bench(raw, extra, report)
    for name in ("raw", "extra"):
        shop.begin(name, run=f"r-{name}", keys=["k"])
        shop.run(name, run=f"r-{name}")
    first = shop.plan(request("materialize"))
    shop.change("UPDATE flowstone_pointers SET version = NULL")

    assert shop.plan(request("materialize")) == first
    assert shop.status() == "running"


def test_a_plan_made_by_other_code_stands(bench: Make) -> None:
    """What was deployed after a run was planned does not change its plan."""

    @asset(name="report", retry=Retry(attempts=3))
    def later(extra: int, raw: int = 0) -> int:
        return extra - raw

    shop = bench(raw, extra, report)
    shop.begin("raw", run="r0", keys=["k"])
    shop.run("raw", run="r0")
    first = shop.plan(request("materialize"))
    assert isinstance(first, Planned)
    second = shop.other(raw, extra, later).plan(request("materialize"))

    assert second == first


def test_a_plan_that_nobody_made_cannot_be_read(bench: Make) -> None:
    """A flow that goes on without a plan is broken, and says so."""
    with pytest.raises(LookupError, match="run r9 has no plan"):
        bench(raw).do(ReadPlan(run="r9"))
