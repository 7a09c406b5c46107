"""Users' functions are called, sync or async, and whatever they do is told."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Never

import pytest

from flowstone.core.asset import Asset, asset
from flowstone.core.outcome import Fatal, RetryAfter, Signal, Skip, Snooze
from flowstone.core.policy import Retry
from flowstone.core.replies import Produced, Raised, Reply
from flowstone.steps.context import Context
from tests.unit.steps.bench import Bench, Make

SECOND = timedelta(seconds=1)


def made(bench: Make, one: Asset[..., object]) -> tuple[Bench, list[Reply]]:
    """Make one asset."""
    shop = bench(one)
    shop.begin(one.name)
    return shop, shop.run(one.name)


# --- calling ------------------------------------------------------------------------


def test_a_function_runs_in_the_thread_of_its_step(bench: Make) -> None:
    """A plain function is called as it is, and timed."""
    seen: list[int] = []

    @asset
    def plain() -> int:
        seen.append(threading.get_ident())
        time.sleep(0.02)
        return 1

    _, [reply] = made(bench, plain)

    assert seen == [threading.get_ident()]
    assert isinstance(reply, Produced)
    assert 15 <= reply.millis < 5_000


def test_coroutines_of_a_worker_share_a_loop(bench: Make) -> None:
    """An `async def` asset runs on the worker's loop, where its clients can live."""
    loops: list[object] = []

    @asset
    async def first() -> int:
        loops.append(asyncio.get_running_loop())
        await asyncio.sleep(0)
        return 1

    @asset
    async def second(first: int) -> int:
        loops.append(asyncio.get_running_loop())
        return first + 1

    shop = bench(first, second)
    shop.begin("second")
    shop.run("first", "second")

    assert shop.value("second") == 2
    assert loops[0] is loops[1]


def test_a_function_is_told_what_it_makes(bench: Make) -> None:
    """The context has the asset, its key, the run and the attempt."""
    seen: list[Context] = []

    @asset
    def told(ctx: Context) -> int:
        seen.append(ctx)
        ctx.metadata(rows=5)
        return 1

    shop = bench(told)
    shop.begin("told", keys=["2025-01-15"])
    shop.run(shop.cell("told", attempt=3))

    [ctx] = seen
    assert (ctx.asset, str(ctx.partition)) == ("told", "2025-01-15")
    assert (ctx.run_id, ctx.attempt) == ("r1", 3)
    assert ctx.started_at is not None
    version = shop.version("told", "2025-01-15")
    assert version is not None
    assert version.metadata == {"rows": 5}


# --- failing ------------------------------------------------------------------------


def raising(error: BaseException) -> Asset[..., object]:
    @asset(name="fails", version="1", retry=Retry(attempts=3, fatal=[LookupError]))
    def fails() -> Never:
        raise error

    return fails


def raising_later(error: BaseException) -> Asset[..., object]:
    @asset(name="fails", version="1", retry=Retry(attempts=3, fatal=[LookupError]))
    async def fails() -> Never:
        await asyncio.sleep(0)
        raise error

    return fails


class Unsayable(Exception):
    """An exception that cannot even be shown."""

    def __str__(self) -> str:
        raise self


class Impatient(RetryAfter):
    """A wish of a user's own, which does not say when."""

    def __init__(self) -> None:
        Exception.__init__(self, "at once")


RAISED: list[tuple[BaseException, Reply]] = [
    (ValueError("no rows"), Raised()),
    (KeyError("no rows"), Raised(retryable=False)),
    (Fatal("no rows"), Raised(retryable=False)),
    (RetryAfter(5 * SECOND), Raised(after=5_000)),
    (RetryAfter(-SECOND), Raised(after=0)),
    (Impatient(), Raised()),
    (TimeoutError("no rows"), Raised()),
    (SystemExit(3), Raised()),
    (KeyboardInterrupt(), Raised()),
    (asyncio.CancelledError(), Raised()),
    (Unsayable(), Raised()),
]


@pytest.mark.parametrize("declare", [raising, raising_later])
@pytest.mark.parametrize(
    ("error", "reply"), RAISED, ids=[type(error).__name__ for error, _ in RAISED]
)
def test_whatever_a_function_raises_is_a_failure(
    declare: Callable[[BaseException], Asset[..., object]],
    error: BaseException,
    reply: Reply,
    bench: Make,
) -> None:
    """No exception ends the step, the worker or its loop; its class is told."""
    shop, replies = made(bench, declare(error))

    assert replies == [reply]
    assert shop.error("fails", replies).error_type == type(error).__qualname__


def test_a_coroutine_that_exits_leaves_the_others(bench: Make) -> None:
    """After a coroutine that would end the process, others run as ever."""
    shop = bench(raising_later(SystemExit()), later := _later())
    shop.begin("fails")
    shop.run("fails")
    shop.begin("later", run="r2")

    assert [r.kind for r in shop.run("later", run="r2")] == ["produced"]
    assert later.name == "later"


def _later() -> Asset[..., object]:
    @asset
    async def later() -> int:
        return 1

    return later


def test_a_failure_is_written_as_any_database_can_keep_it(bench: Make) -> None:
    """What cannot be text is escaped, and what is long is cut."""
    shop, replies = made(bench, raising(ValueError("a\x00b \ud800 " + "x" * 9_000)))
    error = shop.error("fails", replies)

    assert error.error.startswith("a\\x00b \\ud800 xxx")
    assert len(error.error) == 2_000
    assert len(error.details) <= 20_000


def test_a_reason_is_written_as_any_database_can_keep_it(bench: Make) -> None:
    """So is why an asset was skipped."""

    @asset
    def skips() -> Skip:
        return Skip("a\x00b")

    shop, _ = made(bench, skips)

    assert shop.ask("SELECT reason FROM flowstone_run_nodes") == [("a\\x00b",)]


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (lambda: Snooze(5), "Snooze(...) takes a timedelta, not 5"),  # pyright: ignore[reportArgumentType] - what it is about
        (lambda: Skip(5), "Skip(...) takes a str, not 5"),  # pyright: ignore[reportArgumentType] - likewise
        (lambda: Signal[int](timeout=5), "Signal(timeout=...) takes a timedelta"),  # pyright: ignore[reportArgumentType] - likewise
        (lambda: Signal[int](timeout=timedelta.max), "takes at most a hundred years"),
        (lambda: RetryAfter(5), "RetryAfter(...) takes a timedelta"),  # pyright: ignore[reportArgumentType] - likewise
    ],
)
def test_an_outcome_that_makes_no_sense_is_a_failure(
    outcome: Callable[[], object], words: str, bench: Make
) -> None:
    """A function that asks for nonsense has failed, where it did so."""

    @asset(version="1")
    def odd() -> object:
        return outcome()

    shop, replies = made(bench, odd)

    assert [r.kind for r in replies] == ["raised"]
    assert words in shop.error("odd", replies).error
