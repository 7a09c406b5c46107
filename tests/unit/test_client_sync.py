"""The synchronous client: the same verbs without `await`, on a loop of its own."""

from __future__ import annotations

import asyncio
import inspect
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import partial
from pathlib import Path

import pytest

from flowstone import (
    AssetFailed,
    BackfillReport,
    Client,
    ConfigurationError,
    Context,
    Flowstone,
    NotSupported,
    Pipeline,
    Refused,
    Run,
    Signal,
    UnknownAsset,
    UnknownGate,
    UnknownRun,
    UnknownSchedule,
    asset,
    daily,
)
from flowstone.client_sync import (
    SyncAudit,
    SyncClient,
    SyncGates,
    SyncLineage,
    SyncRun,
    SyncRuns,
)
from flowstone.portal import Portal
from flowstone.views import Audit, Gates, Lineage, Runs
from tests.harness import eventually

ROOT = Path(__file__).parents[2]
DAY = date(2025, 1, 15)


@asset
def raw() -> list[int]:
    return [3, 1, 2]


@asset
def cleaned(raw: list[int]) -> list[int]:
    return sorted(raw)


@asset
async def report(cleaned: list[int]) -> str:
    return f"{len(cleaned)} rows"


@asset(partitions=daily(date(2025, 1, 1), date(2025, 1, 3)))
def dated(ctx: Context) -> int:
    assert isinstance(ctx.partition, date)
    return ctx.partition.day


@asset
def broken() -> int:
    raise ValueError("no good")


@asset
def stopping() -> int:
    raise SystemExit(3)


@asset
def answered(ctx: Context) -> Signal[int]:
    return Signal()


@pytest.fixture
def app() -> Flowstone:
    return Flowstone(
        "shop", Pipeline(raw, cleaned, report, dated, broken, stopping, answered)
    )


@pytest.fixture
def stone(app: Flowstone) -> Iterator[SyncClient]:
    with app.local().sync() as stone:
        yield stone


@pytest.fixture
def portal() -> Iterator[Portal]:
    portal = Portal()
    yield portal
    portal.close()


def _interrupt(call: Callable[[], object]) -> None:
    """Call, and press Ctrl-C when it waits."""
    main = threading.main_thread().ident
    assert main is not None
    timer = threading.Timer(0.2, signal.pthread_kill, [main, signal.SIGINT])
    timer.start()
    try:
        call()
    finally:
        timer.join()


def _loops() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name == "flowstone-client"]


# --- the verbs ----------------------------------------------------------------------


def test_the_quick_start_needs_no_asyncio(app: Flowstone) -> None:
    """An app is opened, run and closed by code that does not use asyncio."""
    with app.local().sync() as stone:
        run = stone.materialize_all(report, DAY)

        assert run.result() == "3 rows"
        assert run.wait().status == run.status() == "succeeded"
        assert (run.asset, run.partition, run.url) == ("report", DAY, None)
        assert stone.value(cleaned, DAY) == [1, 2, 3]
        assert stone.exists("raw", DAY)
        assert not stone.exists(raw)

    assert _loops() == []


def test_runs_are_found_again(stone: SyncClient) -> None:
    """A run that is looked up has the same verbs as the one that was started."""
    run = stone.materialize(raw)
    found = stone.runs.get(run.id)

    assert found.result() == [3, 1, 2]
    assert found.progress().made == 1
    assert repr(found) == repr(run)
    assert [row.id for row in stone.runs.list(asset=raw)] == [run.id]
    assert [e.name for e in found.events()] == [e.name for e in run.events()] != []


def test_a_backfill_gives_its_report(stone: SyncClient) -> None:
    """A backfill without `await` counts and names each outcome."""
    found = stone.backfill(dated, max_parallel=2).result()

    assert isinstance(found, BackfillReport)
    assert found.succeeded == 3
    assert found.outcomes[date(2025, 1, 2)] == "made"


def test_a_gate_is_answered_between_two_calls(app: Flowstone) -> None:
    """A run waits at its gate while the same thread finds the token and answers it."""
    tokens: list[str] = []

    @asset
    def asked(ctx: Context) -> Signal[int]:
        tokens.append(ctx.token)
        return Signal()

    with Flowstone("shop", Pipeline(asked)).local().sync() as stone:
        run = stone.materialize(asked)
        eventually(stone.gates.list, what="its gate")
        stone.gates.signal(tokens[0], 42)

        assert run.result() == 42


def test_lineage_and_audit_have_their_verbs(app: Flowstone) -> None:
    """What made what, and who did what, is asked without `await`."""
    with app.local(actor="anna").sync() as stone:
        stone.materialize_all(report).wait()
        stone.invalidate(report)

        assert [e.asset for e in stone.lineage.upstream(cleaned)] == ["raw"]
        assert [e.asset for e in stone.lineage.downstream(raw)] == ["cleaned", "report"]
        assert "anna" in {line.actor for line in stone.audit.list()}
        assert [a.name for a in stone.pipeline][:3] == ["raw", "cleaned", "report"]


@pytest.mark.parametrize(
    ("face", "noun"),
    [
        (SyncClient, Client),
        (SyncRun, Run),
        (SyncRuns, Runs),
        (SyncLineage, Lineage),
        (SyncGates, Gates),
        (SyncAudit, Audit),
    ],
)
def test_every_verb_has_a_synchronous_one(
    face: type[object], noun: type[object]
) -> None:
    """A verb of the client is there without `await`, with the same parameters."""
    verbs = {
        name: member
        for name, member in inspect.getmembers(noun, inspect.iscoroutinefunction)
        if not name.startswith("_")
    }

    assert verbs
    for name, verb in verbs.items():
        twin = getattr(face, name)
        assert not inspect.iscoroutinefunction(twin)
        assert inspect.signature(twin).parameters == inspect.signature(verb).parameters
        assert inspect.getdoc(twin) == inspect.getdoc(verb)


def test_what_is_generated_is_up_to_date() -> None:
    """The synchronous client is what dev/sync makes of the client as it is now."""
    done = subprocess.run(
        [sys.executable, ROOT / "dev" / "sync", "--check"],
        check=False,
        capture_output=True,
        text=True,
    )

    assert (done.returncode, done.stderr) == (0, "")


# --- errors -------------------------------------------------------------------------


def test_errors_keep_their_class(stone: SyncClient) -> None:
    """An error reaches the caller as what it is, with what it knows."""
    with pytest.raises(AssetFailed) as failed:
        stone.materialize(broken).result()
    with pytest.raises(UnknownAsset):
        stone.materialize("reprot")
    with pytest.raises(UnknownRun):
        stone.runs.get("nobody")
    with pytest.raises(NotSupported):
        stone.plan(report)
    with pytest.raises(NotSupported):
        stone.schedules.apply()
    with pytest.raises(UnknownSchedule):
        stone.schedules.trigger("nightly")
    with pytest.raises(UnknownGate):
        stone.approvals.get("nothing")

    assert (failed.value.error_type, failed.value.error) == ("ValueError", "no good")


def test_an_asset_that_exits_only_fails(stone: SyncClient) -> None:
    """A `SystemExit` in an asset fails its run; the client goes on."""
    assert stone.materialize(stopping).wait().status == "failed"
    assert stone.materialize(raw).result() == [3, 1, 2]


def test_an_app_that_cannot_be_opened_leaves_nothing(app: Flowstone) -> None:
    """When opening fails its error is raised, and no thread is left behind."""
    with pytest.raises(ConfigurationError, match="ledger"), app.connect().sync():
        pass

    assert _loops() == []


# --- several ------------------------------------------------------------------------


def test_two_clients_live_side_by_side(app: Flowstone) -> None:
    """Two synchronous clients are open at once, and know nothing of each other."""
    with app.local().sync() as one, app.local().sync() as two:
        assert one.materialize(raw).result() == [3, 1, 2]
        assert not two.exists(raw)
        one.close()
        assert two.materialize(raw).result() == [3, 1, 2]


def test_many_threads_share_a_client(stone: SyncClient) -> None:
    """Threads use one synchronous client at the same time."""
    days = [date(2025, 1, day) for day in range(1, 4)]

    with ThreadPoolExecutor(len(days)) as threads:
        runs = threads.map(partial(stone.materialize, dated), days)
        found = threads.map(SyncRun[int].result, runs)

        assert list(found) == [1, 2, 3]


def test_it_works_where_a_loop_runs(app: Flowstone) -> None:
    """Code that happens to run on an event loop, as in a notebook, can use it too."""

    async def cell() -> object:
        with app.local().sync() as stone:
            return stone.materialize(raw).result()

    assert asyncio.run(cell()) == [3, 1, 2]


# --- the end ------------------------------------------------------------------------


def test_closing_twice_changes_nothing(app: Flowstone) -> None:
    """A client that is closed by hand is closed by its `with` block once more."""
    with app.local().sync() as stone:
        stone.close()
        stone.close()

    assert _loops() == []


def test_a_closed_client_says_so(app: Flowstone) -> None:
    """A verb of a client that is closed, or of its nouns and runs, is refused."""
    with app.local().sync() as stone:
        run = stone.materialize(raw)

    with pytest.raises(Refused, match="client is closed"):
        stone.materialize(raw)
    with pytest.raises(Refused, match="client is closed"):
        stone.runs.list()
    with pytest.raises(Refused, match="client is closed"):
        run.result()


def test_an_app_is_opened_again(app: Flowstone, tmp_path: Path) -> None:
    """What one client kept in a folder is there for the next."""
    opening = app.local(tmp_path).sync()
    with opening as stone:
        stone.materialize(raw).wait()

    with opening as stone:
        assert stone.value(raw) == [3, 1, 2]


def test_closing_ends_what_others_wait_for(app: Flowstone) -> None:
    """A thread that waits for a run is told when another one closes the client."""
    with ThreadPoolExecutor(1) as threads, app.local().sync() as stone:
        run = stone.materialize(answered)
        eventually(stone.gates.list, what="its gate")
        waiting = threads.submit(run.wait)
        stone.close()

        # Its run was cancelled first: the wait may just have seen that.
        error = waiting.exception()
        assert error is None or isinstance(error, Refused)


# --- the way to the loop ------------------------------------------------------------


def test_ctrl_c_leaves_the_run_alone(stone: SyncClient) -> None:
    """Ctrl-C ends the waiting for a run, neither the run nor the client."""
    run = stone.materialize(answered)

    with pytest.raises(KeyboardInterrupt):
        _interrupt(run.wait)

    assert run.status() == "running"
    assert stone.materialize(raw).result() == [3, 1, 2]


def test_ctrl_c_cancels_what_was_called(portal: Portal) -> None:
    """Ctrl-C cancels the awaited call, waits for its end, and leaves the loop usable."""
    seen: list[str] = []

    async def sleeping() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            seen.append("cancelled")
            raise

    with pytest.raises(KeyboardInterrupt):
        _interrupt(lambda: portal.call(sleeping()))

    assert seen == ["cancelled"]
    assert portal.call(asyncio.sleep(0, "usable")) == "usable"


def test_a_call_from_its_own_thread_is_refused(portal: Portal) -> None:
    """A call that would wait for itself is refused with a reason, and so is closing."""

    async def calling() -> object:
        return portal.call(asyncio.sleep(0))

    async def closing() -> None:
        portal.close()

    with pytest.raises(Refused, match="thread of its own loop"):
        portal.call(calling())
    with pytest.raises(Refused, match="thread of its own loop"):
        portal.call(closing())

    assert portal.call(asyncio.sleep(0, "usable")) == "usable"


def test_what_leaves_the_loop_reaches_its_caller(portal: Portal) -> None:
    """A `SystemExit` on the loop is raised where it was called from, and only there."""

    async def exiting() -> None:
        raise SystemExit(3)

    with ThreadPoolExecutor(1) as threads:
        other = threads.submit(portal.call, asyncio.sleep(0.1, "usable"))
        with pytest.raises(SystemExit):
            portal.call(exiting())

        assert other.result() == "usable"


def test_closing_cancels_what_still_runs() -> None:
    """A call that is under way when the loop ends is cancelled and refused."""
    portal, started = Portal(), threading.Event()

    async def sleeping() -> None:
        started.set()
        await asyncio.sleep(60)

    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(portal.call, sleeping())
        started.wait()
        portal.close()

        with pytest.raises(Refused, match="client is closed"):
            waiting.result()
