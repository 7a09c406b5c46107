"""Cancellation reaches what runs, and never touches a commit."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest

from flowstone.core.asset import asset
from flowstone.core.outcome import Cancelled as Stop
from flowstone.core.replies import Cancelled, Produced, Reply
from flowstone.io.base import Slot, Stored
from flowstone.io.memory import MemoryIO
from flowstone.steps.context import Context
from flowstone.steps.watch import Watch
from tests.harness import eventually
from tests.unit.steps.bench import Bench, Make


@asset
def raw() -> int:
    return 1


def cancelled_while(
    shop: Bench, names: Sequence[str], running: threading.Event
) -> Sequence[Reply]:
    """Run a pack, and cancel it while a function of it runs."""

    def cancel() -> None:
        assert running.wait(10)
        shop.cancelled.set()

    thread = threading.Thread(target=cancel)
    thread.start()
    found = shop.run(*names)
    thread.join()
    return found


def test_what_has_not_begun_is_not_begun(bench: Make) -> None:
    """A pack that is cancelled before it begins calls nothing."""
    shop = bench(raw)
    shop.begin("raw")
    shop.cancelled.set()

    assert shop.run("raw") == [Cancelled()]
    assert shop.attempts("raw") == ["left"]
    assert shop.claims() == []


def test_what_was_made_before_is_committed(bench: Make) -> None:
    """A cancelled pack commits what it has made, and leaves the rest."""
    running = threading.Event()

    @asset
    def loops(raw: int, ctx: Context) -> int:
        running.set()
        eventually(lambda: ctx.cancelled)
        return raw + 1

    @asset
    def after(loops: int) -> int:
        return loops

    shop = bench(raw, loops, after)
    shop.begin("after")
    replies = cancelled_while(shop, ["raw", "loops", "after"], running)

    assert [r.kind for r in replies] == ["produced", "produced", "cancelled"]
    assert shop.value("loops") == 2


CALLS: list[Callable[[Context], object]] = [
    lambda ctx: ctx.heartbeat({"rows": 5}),
    lambda ctx: ctx.progress(5, 10),
    lambda ctx: ctx.token,
]


@pytest.mark.parametrize("ask", CALLS, ids=["heartbeat", "progress", "token"])
def test_a_call_of_the_context_stops_what_is_cancelled(
    ask: Callable[[Context], object], bench: Make
) -> None:
    """Whatever may block or report raises `Cancelled`, which no failure is."""
    running = threading.Event()

    @asset(version="1")
    def loops(ctx: Context) -> int:
        running.set()
        while True:
            try:
                ask(ctx)
            except Exception:  # noqa: BLE001 - what users write
                pytest.fail("it was swallowed")
            time.sleep(0.001)

    shop = bench(loops)
    shop.begin("loops")

    assert cancelled_while(shop, ["loops"], running) == [Cancelled()]
    assert shop.attempts("loops") == ["cancelled"]


def test_a_coroutine_is_cancelled_where_it_awaits(bench: Make) -> None:
    """An `async def` asset gets asyncio's own CancelledError."""
    running, told = threading.Event(), threading.Event()

    @asset
    async def sleeps() -> int:
        running.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            told.set()
            raise
        return 1

    shop = bench(sleeps)
    shop.begin("sleeps")

    assert cancelled_while(shop, ["sleeps"], running) == [Cancelled()]
    assert told.wait(5)


def test_a_function_with_a_timeout_is_not_waited_for(bench: Make) -> None:
    """What has a thread of its own is left to itself."""
    running, ends = threading.Event(), threading.Event()

    @asset(timeout=timedelta(hours=1))
    def deaf() -> int:
        running.set()
        ends.wait(30)
        return 1

    shop = bench(deaf)
    shop.begin("deaf")
    replies = cancelled_while(shop, ["deaf"], running)
    ends.set()

    assert replies == [Cancelled()]


def test_a_function_that_hears_nothing_is_stopped_after_a_while(bench: Make) -> None:
    """After the grace, `Cancelled` is raised into the function's thread."""
    running = threading.Event()

    @asset
    def deaf() -> int:
        running.set()
        while True:
            time.sleep(0.001)

    shop = bench(deaf)
    shop.toolbox.watch = Watch(grace=0.1)
    shop.begin("deaf")

    assert cancelled_while(shop, ["deaf"], running) == [Cancelled()]


def test_a_commit_is_not_touched(bench: Make) -> None:
    """However long a store takes, nothing is raised into it."""
    running = threading.Event()

    class Slow(MemoryIO):
        def store_many(self, values: Sequence[tuple[object, Slot]]) -> list[Stored]:
            running.set()
            for _ in range(800):
                time.sleep(0.001)
            return super().store_many(values)

    shop = bench(raw, io={"default": Slow()})
    shop.toolbox.watch = Watch(grace=0.0)
    shop.begin("raw")
    replies = cancelled_while(shop, ["raw"], running)

    assert [type(r) for r in replies] == [Produced]
    assert shop.value("raw") == 1


def test_a_commit_for_a_token_is_not_touched(bench: Make) -> None:
    """Nor is the commit that comes before a token is handed out."""
    running = threading.Event()
    kept: list[str] = []

    class Slow(MemoryIO):
        def store_many(self, values: Sequence[tuple[object, Slot]]) -> list[Stored]:
            running.set()
            for _ in range(800):
                time.sleep(0.001)
            kept.append("whole")
            return super().store_many(values)

    @asset
    def starts(raw: int, ctx: Context) -> str:
        token = ctx.token
        try:
            time.sleep(0.5)
            for _ in range(60_000):
                time.sleep(0.001)
        except Stop:
            kept.append("stopped")
            raise
        return token

    shop = bench(raw, starts, io={"default": Slow()})
    shop.toolbox.watch = Watch(grace=0.0)
    shop.begin("starts")
    replies = cancelled_while(shop, ["raw", "starts"], running)

    assert [r.kind for r in replies] == ["produced", "cancelled"]
    assert kept == ["whole", "stopped"]
    assert shop.value("raw") == 1
