"""The parts of the kit, one by one."""

from __future__ import annotations

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from flowstone import Client, Flowstone, MemoryIO, Pipeline, Retry, asset, testing
from flowstone.io import Slot, Stored
from flowstone.steps import points
from flowstone.telemetry import MaterializationStopped
from flowstone.testing import (
    Captured,
    TroubledIO,
    app_of,
    assert_golden,
    assert_lineage,
    assert_materialized,
    assert_not_materialized,
    capture_events,
    crash_at,
    freeze_at,
    io_conformance,
    local_twin,
    replay,
)
from tests.house.source import modules

HISTORY = Path(__file__).parents[2] / "temporal" / "histories" / "0.1" / "warm.json"


@asset
def raw() -> list[int]:
    return [3, 1, 2]


@asset
def cleaned(raw: list[int]) -> list[int]:
    return sorted(raw)


@asset
def report(cleaned: list[int], raw: list[int]) -> str:
    return f"{len(cleaned)} of {len(raw)}"


@asset
def broken(raw: list[int]) -> int:
    raise ValueError(raw)


PIPELINE = Pipeline(raw, cleaned, report, broken)
pytestmark = pytest.mark.flowstone(PIPELINE)


# --- asserting ----------------------------------------------------------------------


async def test_a_value_is_asserted(stone: Client) -> None:
    """A value that was made is there, one that was not is not (TST-02, TST-09)."""
    run = await stone.materialize_all(report, "k")
    await run.wait()
    [made] = [
        e.version
        for e in await run.events()
        if isinstance(e, MaterializationStopped) and e.asset == "report"
    ]

    await assert_materialized(stone, report, "k", value="3 of 3", version=made)
    await assert_not_materialized(stone, report, "other")
    with pytest.raises(AssertionError, match="'report' @ other has no value; it is"):
        await assert_materialized(stone, report, "other")
    with pytest.raises(AssertionError, match="'report' @ k has a value, made by run"):
        await assert_not_materialized(stone, report, "k")
    with pytest.raises(AssertionError, match="is '3 of 3', not 'x'"):
        await assert_materialized(stone, report, "k", value="x")
    with pytest.raises(AssertionError, match=f"has version {made}, not v"):
        await assert_materialized(stone, report, "k", version="v")


async def test_a_missing_value_is_told_with_its_reason(stone: Client) -> None:
    """Where a value is missing because it failed, the assertion says how."""
    await (await stone.materialize_all(broken)).wait()

    with pytest.raises(AssertionError, match="it is failed: .*ValueError"):
        await assert_materialized(stone, broken)


async def test_lineage_is_asserted(stone: Client) -> None:
    """What a value was made from is asserted whole, by asset or by key (TST-09)."""
    await (await stone.materialize_all(report, "k")).wait()

    await assert_lineage(stone, report, "k", upstream=[raw, "cleaned"])
    await assert_lineage(stone, report, "k", upstream=[(raw, "k"), cleaned])
    await assert_lineage(stone, raw, "k", downstream=[cleaned, report], upstream=[])
    await assert_lineage(stone, raw, "k", downstream=[cleaned, report], depth=1)
    with pytest.raises(AssertionError) as caught:
        await assert_lineage(stone, report, "k", upstream=[(raw, "other"), "cleaned"])
    assert str(caught.value) == (
        "The upstream of 'report' @ k lacks 'raw' @ other and has besides 'raw' @ k."
    )
    with pytest.raises(AssertionError, match="no value"):
        await assert_lineage(stone, report, "other", upstream=[])


def test_a_golden_value_is_approved_by_renaming(tmp_path: Path) -> None:
    """A value is compared with the one that somebody approved (TST-09)."""
    golden = tmp_path / "approved" / "report.json"
    received = tmp_path / "approved" / "report.json.received"

    with pytest.raises(AssertionError, match="was never approved"):
        assert_golden({"rows": 3}, golden)
    received.rename(golden)
    assert_golden({"rows": 3}, golden)
    with pytest.raises(AssertionError, match="is not what was approved"):
        assert_golden({"rows": 4}, golden)
    assert received.read_text() == '{"rows":4}\n'
    assert_golden({"rows": 3}, golden)
    assert not received.exists()


# --- capturing ----------------------------------------------------------------------


async def test_events_are_captured(stone: Client, captured_events: Captured) -> None:
    """A test that has a client captures what that client's runs tell."""
    await (await stone.materialize_all(cleaned)).wait()

    made = captured_events.of(MaterializationStopped)
    assert [e.asset for e in made] == ["raw", "cleaned"]
    assert captured_events.names[-1] == "flowstone.run.stop"


def test_events_of_a_process_are_captured(captured_events: Captured) -> None:
    """A test without a client of the kit captures what its process tells."""
    with (
        Flowstone("own", PIPELINE).local().sync() as one,
        capture_events(prefix="flowstone.io.") as moved,
    ):
        one.materialize(raw).wait()

    assert "flowstone.run.stop" in captured_events.names
    assert set(moved.names) == {"flowstone.io.store.start", "flowstone.io.store.stop"}
    assert len(captured_events) > len(moved)


def test_tests_of_one_pipeline_run_in_threads() -> None:
    """Tests of one pipeline at once, in threads, do not meet (TST-04)."""

    def play(number: int) -> tuple[list[str], object, bool]:
        with (
            Flowstone("same", PIPELINE).local().sync() as stone,
            capture_events(stone, prefix="flowstone.materialization.stop") as events,
        ):
            known = stone.exists(cleaned, "k")
            value = stone.materialize_all(cleaned, "k").result()
        return [e.asset for e in events], value, known

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(play, range(12)))

    assert found == [(["raw", "cleaned"], [1, 2, 3], False)] * 12


# --- which app ----------------------------------------------------------------------


def test_an_app_is_given_in_any_way() -> None:
    """An app, a pipeline, assets or the path of an app are all the app of a test."""
    app = Flowstone("shop", PIPELINE)

    assert app_of(app) is app
    assert app_of(PIPELINE).pipeline is PIPELINE
    assert [a.name for a in app_of(raw, cleaned).pipeline] == ["raw", "cleaned"]
    assert app_of("tests.apps.recorded:app").name == "recorded"


def test_no_test_touches_the_stores_of_its_app() -> None:
    """An app opened in a test keeps its values in memory, but where a test says so."""
    mine, theirs = MemoryIO(), MemoryIO()
    app = Flowstone("shop", PIPELINE, io={"default": theirs, "lake": theirs})
    twin = local_twin(app, {"lake": mine})

    assert twin.io["lake"] is mine
    assert twin.io["default"] is not theirs
    assert app.io == {"default": theirs, "lake": theirs}


# --- disturbing ---------------------------------------------------------------------


def test_a_disturbance_is_a_variable() -> None:
    """Which point of a worker is to be its last is told by its environment (TST-08)."""
    assert crash_at("commit.before", 3).environment == {
        "FLOWSTONE_CRASH_AT": "commit.before:3"
    }
    assert freeze_at("open.before").environment == {
        "FLOWSTONE_FREEZE_AT": "open.before:1"
    }


def test_an_unknown_point_is_refused() -> None:
    """A misspelt point is refused rather than never reached."""
    with pytest.raises(ValueError, match=r"Did you mean 'commit\.before'\?"):
        crash_at("comit.before")
    with pytest.raises(ValueError, match="the first pass is 1"):
        freeze_at("commit.before", 0)


def test_every_point_is_known() -> None:
    """The points that can be named are those that the code passes."""
    text = "\n".join(m.text for m in modules("flowstone"))

    passed = set(re.findall(r'\breach\("([^"]+)"\)', text))

    assert passed == set(points.POINTS)


@pytest.fixture
def troubled() -> TroubledIO:
    slow = timedelta(milliseconds=1)
    return TroubledIO(MemoryIO(), slow=slow, fail_stores=[1], fail_loads=[1])


@pytest.fixture
def flowstone_io(request: pytest.FixtureRequest) -> dict[str, object]:
    has = "troubled" in request.fixturenames
    return {"default": request.getfixturevalue("troubled")} if has else {}


async def test_a_store_in_trouble_passes(troubled: TroubledIO, stone: Client) -> None:
    """A store that is slow, and away at times, costs time and nothing else (TST-08)."""
    assert await (await stone.materialize_all(report)).result() == "3 of 3"
    assert troubled.stores > 3
    assert troubled.loads > 1


async def test_the_nth_attempt_fails(stone: Client) -> None:
    """An asset that fails a given number of times is told by its attempt (TST-08)."""

    @asset(retry=Retry(attempts=3, delay=timedelta(0)))
    def flaky(ctx: Any) -> int:
        if ctx.attempt < 3:
            raise ConnectionError
        return ctx.attempt

    app = local_twin(app_of(flaky), {})
    async with app.local() as other:
        assert await (await other.materialize(flaky)).result() == 3


# --- IO and histories ---------------------------------------------------------------


def test_a_good_manager_conforms() -> None:
    """A manager that keeps its promises passes."""
    io_conformance(MemoryIO())


def test_a_bad_manager_is_told_what_it_breaks() -> None:
    """All promises that a manager breaks are told at once, in words."""

    class Forgetful:
        def __init__(self) -> None:
            self._inner = MemoryIO()

        def store(self, value: object, at: Slot) -> Stored:
            return self._inner.store(value, at)

        def load(self, at: Stored, want: object) -> object:
            return self._inner.load(at, want)

        def delete(self, at: Stored) -> None:
            return

    with pytest.raises(ExceptionGroup) as caught:
        io_conformance(Forgetful())

    notes = [note for e in caught.value.exceptions for note in e.__notes__]
    assert "Forgetful keeps" in str(caught.value)
    assert (
        "check_delete: IO-02: a deleted value is not found, and deleting it again is "
        "fine." in notes
    )


async def test_a_history_replays() -> None:
    """Recorded histories are replayed, from a file or a folder (TST-07)."""
    assert await replay(HISTORY) == 1
    assert await replay([HISTORY, str(HISTORY)]) == 2


async def test_a_history_that_does_not_replay_is_named(tmp_path: Path) -> None:
    """A history whose commands are other ones is named, with what to do (TST-07)."""
    bad = tmp_path / "deep" / "bad.json"
    bad.parent.mkdir()
    text = HISTORY.read_text()
    assert '"flowstone.MakePlan"' in text
    bad.write_text(text.replace('"flowstone.MakePlan"', '"flowstone.MadePlan"'))

    with pytest.raises(AssertionError, match=r"1 of 1 histories.*patched.*") as caught:
        await replay(tmp_path)
    assert "bad.json" in str(caught.value)


async def test_no_history_is_no_success(tmp_path: Path) -> None:
    """A folder without histories is a mistake, not a test that passes."""
    with pytest.raises(AssertionError, match="There are no histories in"):
        await replay(tmp_path)


# --- the package --------------------------------------------------------------------


def test_every_part_of_the_kit_is_there() -> None:
    """Each name of the kit can be imported, and no other."""
    assert dir(testing) == testing.__all__
    for name in testing.__all__:
        assert getattr(testing, name).__name__ == name
    with pytest.raises(AttributeError, match="nothing_else"):
        getattr(testing, "nothing_" + "else")


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import flowstone", "pytest"),
        ("import flowstone.testing", "pytest"),
        ("import flowstone.testing.plugin", "sqlalchemy"),
        ("import flowstone.testing.plugin", "temporalio"),
        ("import flowstone.telemetry", "opentelemetry"),
    ],
)
def test_parts_come_with_their_first_use(code: str, absent: str) -> None:
    """Importing Flowstone loads no pytest, and its plugin loads nothing heavy."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}, sys; print({absent!r} in sys.modules)"],
        check=True,
        capture_output=True,
        text=True,
    )

    assert done.stdout.strip() == "False"
