"""Assets as users write them: the lines of the cases on authoring and registries."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from flowstone import (
    AssetFailed,
    BackfillReport,
    DuplicateAsset,
    Flowstone,
    Pipeline,
    Skip,
    UnknownAsset,
    ValueNotFound,
    asset,
    daily,
)
from tests.harness import ROOT


@asset
def raw_events() -> list[str]:
    """Read what came in."""
    return ["a", "b"]


@asset
def clean_events(raw_events: list[str]) -> tuple[str, list[str]]:
    """Validate events."""
    return ("clean", raw_events)


@asset
def greeting() -> str:
    return "Hello"


def test_assets_know_their_order_and_their_words() -> None:
    """A pipeline has its assets in order, with needs and descriptions (DSL-01, DAG-01).

    REG-01, REG-02: what was registered is found again, with what it depends on.
    """
    pipeline = Pipeline(raw_events, clean_events)

    assert pipeline.order == ("raw_events", "clean_events")
    assert [n.asset for n in pipeline.needs["clean_events"]] == ["raw_events"]
    assert pipeline["clean_events"].description == "Validate events."
    assert pipeline[clean_events] is clean_events
    assert len(pipeline) == 2


def test_an_unknown_name_is_refused() -> None:
    """A name that stands for no asset is refused (REG-03)."""
    with pytest.raises(UnknownAsset, match="no asset 'nobody'"):
        Pipeline(raw_events)["nobody"]


def test_two_assets_of_one_name_are_refused() -> None:
    """A name is never silently taken over by another asset (REG-05)."""
    other = asset(name="greeting")(lambda: "Hi")

    with pytest.raises(DuplicateAsset, match="Two assets are named 'greeting'"):
        Pipeline(greeting, other)


async def test_pipelines_with_equal_names_of_assets_do_not_meet(tmp_path: Path) -> None:
    """Equal names in two pipelines on one ledger are two assets (REG-05)."""
    other = asset(name="greeting")(lambda: "Hi")
    async with Flowstone("one", Pipeline(greeting)).local(tmp_path) as one:
        await (await one.materialize(greeting)).result()
    async with Flowstone("two", Pipeline(other)).local(tmp_path) as two:
        assert not await two.exists("greeting")
        assert await (await two.materialize("greeting")).result() == "Hi"
    async with Flowstone("one", Pipeline(greeting)).local(tmp_path) as one:
        assert await one.value(greeting) == "Hello"


async def test_concurrent_runs_in_contexts_of_their_own_share_nothing() -> None:
    """Two local clients of one app do not see each other's values (REG-06)."""
    app = Flowstone("alone", Pipeline(greeting))
    async with app.local() as one, app.local() as two:
        await (await one.materialize(greeting)).result()

        assert await one.exists(greeting)
        assert not await two.exists(greeting)


@pytest.mark.parametrize(
    "value",
    ["hello", {"key": "value"}, {"status": "done"}, [1, 2, 3], None, 7, "just a value"],
)
async def test_a_plain_value_is_the_value(value: object) -> None:
    """What a function returns is its value, whatever it is (DSL-02, DSL-03, DSL-06).

    DSL-09: a mapping and a list too. API-29: `None` is a value like any other.
    """
    plain = asset(name="plain")(lambda: value)
    async with Flowstone("plain", Pipeline(plain)).local() as stone:
        assert await (await stone.materialize("plain")).result() == value
        assert await stone.exists("plain")
        assert await (await stone.materialize("plain")).result() == value


async def test_a_function_of_what_it_needs_is_computed() -> None:
    """A value is computed from the values that the parameters name (DSL-04, API-23)."""
    async with Flowstone("t", Pipeline(raw_events, clean_events)).local() as stone:
        run = await stone.materialize_all(clean_events)

        assert await run.result() == ("clean", ["a", "b"])
        assert await stone.value(raw_events) == ["a", "b"]


async def test_an_asset_and_its_name_are_the_same_to_a_verb() -> None:
    """Wherever an asset is expected its name will do (DSL-10, DSL-11)."""
    async with Flowstone("t", Pipeline(greeting)).local() as stone:
        by_object = await stone.materialize(greeting, "test_partition")
        by_name = await stone.materialize("greeting", "other")

        assert await by_object.result() == await by_name.result() == "Hello"


async def test_a_failure_keeps_what_was_raised() -> None:
    """An exception fails its asset with its words and its traceback (DSL-08, DSL-20).

    DSL-21, ERR-03: the message is the exception's own, the details have file and line.
    """

    @asset
    def boom() -> int:
        message = "boom"
        raise RuntimeError(message)

    async with Flowstone("t", Pipeline(boom)).local() as stone:
        with pytest.raises(
            AssetFailed, match="'boom' failed: RuntimeError: boom"
        ) as it:
            await (await stone.materialize(boom)).result()

    assert f"{Path(__file__).name}" in it.value.details
    assert ", line " in it.value.details


def test_a_pipeline_draws_itself() -> None:
    """A pipeline's drawing has every asset (DSL-13, DAG-07)."""
    pipeline = Pipeline(raw_events, clean_events, greeting)

    for style in ("text", "mermaid", "dot"):
        drawn = pipeline.graph(style)
        assert all(name in drawn for name in pipeline.assets)


async def test_a_space_of_partitions_is_declared_and_filled() -> None:
    """A backfill without partitions takes the asset's space (DSL-14, E2E-06, API-27)."""
    days = daily(date(2024, 1, 1), date(2024, 1, 3))

    @asset(partitions=days)
    def dated() -> str:
        return "value"

    async with Flowstone("t", Pipeline(dated)).local() as stone:
        report = await (await stone.backfill(dated)).result()

    assert isinstance(report, BackfillReport)
    assert list(report.outcomes) == [date(2024, 1, d) for d in (1, 2, 3)]
    assert report.succeeded == 3


async def test_a_function_is_called_when_it_is_materialized_and_never_before() -> None:
    """Nothing of an asset runs at import or definition (DSL-24)."""
    calls: list[str] = []

    @asset
    def counted() -> int:
        calls.append("called")
        return len(calls)

    app = Flowstone("t", Pipeline(counted))
    assert calls == []
    async with app.local() as stone:
        assert await (await stone.materialize(counted)).result() == 1
        again = await stone.materialize(counted, policy="always")
        assert await again.result() == 2


def test_a_fresh_process_has_the_same_assets() -> None:
    """Importing a pipeline in another process gives the same assets (DSL-25)."""
    code = (
        "from tests.cases.test_assets import *;"
        "p = Pipeline(raw_events, clean_events);"
        "print(p.order, [a.code for a in p])"
    )
    here = Pipeline(raw_events, clean_events)
    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert found.stdout.strip() == f"{here.order} {[a.code for a in here]}"


async def test_assets_can_be_made_in_a_loop() -> None:
    """A factory makes one asset for each name, with facts of its own (DSL-26)."""

    def make(region: str) -> object:
        @asset(name=f"regional_report_{region}", tags={"region": region})
        def report() -> str:
            return f"report of {region}"

        return report

    made = [make(region) for region in ("us", "eu", "apac")]
    pipeline = Pipeline(*made)  # pyright: ignore[reportArgumentType]
    async with Flowstone("t", pipeline).local() as stone:
        run = await stone.materialize("regional_report_eu")
        assert await run.result() == "report of eu"

    assert [a.options.tags["region"] for a in pipeline] == ["us", "eu", "apac"]


async def test_an_outcome_is_never_stored_as_a_value() -> None:
    """A function that skips leaves no value behind (DSL-27)."""

    @asset
    def nothing() -> int | Skip:
        return Skip("not today")

    async with Flowstone("t", Pipeline(nothing)).local() as stone:
        run = await stone.materialize(nothing)
        with pytest.raises(ValueNotFound, match="It was skipped: not today"):
            await run.result()
        assert not await stone.exists(nothing)
        assert (await stone.status(nothing)).state == "skipped"


async def test_two_apps_live_in_one_process() -> None:
    """Apps of one process do not know of each other (REG-06)."""
    one = Flowstone("one", Pipeline(greeting))
    two = Flowstone("two", Pipeline(raw_events))
    async with one.local() as first, two.local() as second:
        values = await asyncio.gather(
            (await first.materialize(greeting)).result(),
            (await second.materialize(raw_events)).result(),
        )

    assert values == ["Hello", ["a", "b"]]
