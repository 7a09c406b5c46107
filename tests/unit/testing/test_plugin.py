"""The plugin, as somebody else's suite meets it: their files, in a process of its own."""

from __future__ import annotations

import pytest

SHOP = """
from flowstone import Flowstone, Pipeline, PostgresIO, SqlLedger, asset

NOWHERE = "postgresql://nobody@127.0.0.1:1/production"

@asset
def raw() -> list[int]:
    return [3, 1, 2]

@asset
def cleaned(raw: list[int]) -> list[int]:
    return sorted(raw)

app = Flowstone(
    "shop",
    Pipeline(raw, cleaned),
    io={"default": PostgresIO(NOWHERE)},
    ledger=SqlLedger(NOWHERE),
)
"""
ASYNC = """
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
pythonpath = .
addopts = --strict-markers --strict-config -p no:cacheprovider
filterwarnings = error
"""

LACKING = """
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: (
    None if name == "pytest_asyncio" else find(name, package)
)
"""
"""As if pytest-asyncio were not installed."""


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    """Give a folder with an app in it, and a configuration."""
    pytester.makepyfile(shop=SHOP)
    pytester.makeini(ASYNC)
    return pytester


def test_a_suite_names_its_app_once(suite: pytest.Pytester) -> None:
    """A setting names the app of a suite, and its stores are left alone."""
    suite.makeini(ASYNC + "flowstone_app = shop:app\n")
    suite.makepyfile(
        test_it="""
        import shop
        from flowstone.testing import assert_lineage, assert_materialized

        async def test_rows_are_sorted(stone, captured_events):
            run = await stone.materialize_all(shop.cleaned, "k")
            assert await run.result() == [1, 2, 3]
            await assert_materialized(stone, "cleaned", "k", value=[1, 2, 3])
            await assert_lineage(stone, "cleaned", "k", upstream=["raw"])
            assert captured_events.names[-1] == "flowstone.run.stop"

        async def test_nothing_is_left_of_it(stone, captured_events):
            assert not await stone.exists(shop.cleaned, "k")
            assert captured_events == []

        def test_without_asyncio(sync_stone):
            assert sync_stone.materialize_all("cleaned").result() == [1, 2, 3]
        """
    )

    suite.runpytest_subprocess().assert_outcomes(passed=3)


def test_a_test_names_its_app_or_its_assets(suite: pytest.Pytester) -> None:
    """A marker names what one test is about: a path, an app, or some assets."""
    suite.makepyfile(
        test_it="""
        import pytest
        import shop
        from flowstone import Pipeline, asset

        @asset
        def cleaned() -> str:
            return "a fake"

        @asset
        def report(cleaned: str) -> str:
            return cleaned.upper()

        @pytest.mark.flowstone("shop:app")
        def test_a_path(sync_stone):
            assert sync_stone.materialize_all("cleaned").result() == [1, 2, 3]

        @pytest.mark.flowstone(shop.app)
        def test_an_app(sync_stone):
            assert sync_stone.materialize_all("cleaned").result() == [1, 2, 3]

        @pytest.mark.flowstone(cleaned, report)
        def test_assets(sync_stone):
            assert sync_stone.materialize_all("report").result() == "A FAKE"
        """
    )

    suite.runpytest_subprocess().assert_outcomes(passed=3)


def test_a_suite_builds_its_app(suite: pytest.Pytester) -> None:
    """Fixtures of the suite's own give the app and its stores."""
    suite.makeconftest(
        """
        import pytest
        import shop
        from flowstone import Flowstone, MemoryIO, Pipeline

        KEPT = MemoryIO()

        @pytest.fixture
        def flowstone_app():
            return Flowstone("mine", Pipeline(shop.raw))

        @pytest.fixture
        def flowstone_io():
            return {"default": KEPT}
        """
    )
    suite.makepyfile(
        test_it="""
        from conftest import KEPT
        from flowstone.testing import capture_events

        def test_it(sync_stone):
            with capture_events(sync_stone) as events:
                assert sync_stone.materialize("raw").result() == [3, 1, 2]
            assert "flowstone.io.store.stop" in events.names
            assert KEPT._values
        """
    )

    suite.runpytest_subprocess().assert_outcomes(passed=1)


def test_a_suite_lends_its_own_resources(suite: pytest.Pytester) -> None:
    """A fixture of the suite's own replaces what the app's assets share."""
    suite.makeconftest(
        """
        import pytest
        from flowstone import Context, Flowstone, Pipeline, Resource, asset

        class Warehouse(Resource):
            def open(self):
                raise ConnectionError("no test may go there")

        @asset(resources=["warehouse"])
        def rows(ctx: Context) -> int:
            return ctx.resources["warehouse"]

        @pytest.fixture
        def flowstone_app():
            return Flowstone("m", Pipeline(rows), resources={"warehouse": Warehouse()})

        @pytest.fixture
        def flowstone_resources(request):
            return {"elsewhere" if "wrong" in request.node.name else "warehouse": 7}
        """
    )
    suite.makepyfile(
        test_it="""
        def test_sync(sync_stone):
            assert sync_stone.materialize("rows").result() == 7

        async def test_async(stone):
            assert await (await stone.materialize("rows")).result() == 7

        def test_wrong(sync_stone): ...
        """
    )

    done = suite.runpytest_subprocess()
    done.assert_outcomes(passed=2, errors=1)
    done.stdout.fnmatch_lines(["*no resource 'elsewhere' to replace*'warehouse'*"])


def test_who_names_no_app_is_told_how(suite: pytest.Pytester) -> None:
    """A test that asks for a client and names no app is told the three ways."""
    suite.makepyfile(test_it="def test_it(sync_stone): ...")

    result = suite.runpytest_subprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*Mark it with @pytest.mark.flowstone(app)*"])


def test_a_suite_without_asyncio(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without pytest-asyncio all that needs none works, and the rest says so."""
    suite.makeini("[pytest]\nflowstone_app = shop:app\npythonpath = .\n")
    suite.makepyfile(sitecustomize=LACKING)
    monkeypatch.setenv("PYTHONPATH", str(suite.path))
    suite.makepyfile(
        test_it="""
        def test_sync(sync_stone):
            assert sync_stone.materialize_all("cleaned").result() == [1, 2, 3]

        def test_async(stone):
            ...
        """
    )

    result = suite.runpytest_subprocess("-p", "no:asyncio")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*'stone' needs pytest-asyncio: install it, or use*"])


def test_the_plugin_can_be_left_out(suite: pytest.Pytester) -> None:
    """`-p no:flowstone` leaves the plugin out."""
    suite.makepyfile(test_it="def test_it(sync_stone): ...")

    result = suite.runpytest_subprocess("-p", "no:flowstone")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*fixture 'sync_stone' not found*"])


def test_fixtures_are_described(suite: pytest.Pytester) -> None:
    """Each fixture says what it gives."""
    result = suite.runpytest_subprocess("--fixtures")

    told = result.stdout.str()
    for name in (
        "captured_events",
        "clock",
        "flowstone_app",
        "flowstone_io",
        "flowstone_resources",
        "flowstone_served",
        "flowstone_servers",
        "stone",
        "sync_stone",
        "temporal_stone",
        "time_skipping_stone",
    ):
        _, found, after = told.partition(f"\n{name} ")
        assert found, name
        assert "no docstring available" not in after.partition("\n\n")[0], name


def test_tests_run_in_processes(suite: pytest.Pytester) -> None:
    """Tests of one pipeline run in several processes without meeting."""
    suite.makeini(ASYNC + "flowstone_app = shop:app\n")
    suite.makepyfile(
        test_it="""
        import pytest

        @pytest.mark.parametrize("number", range(4))
        async def test_it(stone, captured_events, number):
            assert not await stone.exists("cleaned", "k")
            run = await stone.materialize_all("cleaned", "k")
            assert await run.result() == [1, 2, 3]
            assert captured_events.names.count("flowstone.run.stop") == 1
        """
    )

    suite.runpytest_subprocess("-n", "2").assert_outcomes(passed=4)
