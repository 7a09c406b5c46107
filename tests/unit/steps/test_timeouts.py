"""A function that takes too long does not hold up its step."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from datetime import timedelta
from typing import Never

from flowstone.core.asset import Asset, asset
from flowstone.core.replies import Raised, Reply
from tests.unit.steps.bench import Bench, Make


def made(bench: Make, one: Asset[..., object]) -> tuple[Bench, list[Reply]]:
    """Make one asset."""
    shop = bench(one)
    shop.begin(one.name)
    return shop, shop.run(one.name)


def test_a_function_that_takes_too_long_has_failed(bench: Make) -> None:
    """The step goes on, whether or not the function ever ends."""
    ends = threading.Event()

    @asset(timeout=timedelta(milliseconds=50))
    def slow() -> int:
        ends.wait(10)
        return 1

    began = time.monotonic()
    shop, replies = made(bench, slow)
    ends.set()

    assert time.monotonic() - began < 5
    assert replies == [Raised()]
    error = shop.error("slow", replies)
    assert error.error_type == "TimeoutError"
    assert "'slow' ran longer than its timeout of 0:00:00.05" in error.error


def test_a_coroutine_that_takes_too_long_is_cancelled(bench: Make) -> None:
    """An `async def` asset is told where it awaits."""
    told = threading.Event()

    @asset(timeout=timedelta(milliseconds=50))
    async def slow() -> int:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            told.set()
            raise
        return 1

    _, replies = made(bench, slow)

    assert replies == [Raised()]
    assert told.wait(5)


def test_a_function_that_is_in_time_is_as_any_other(bench: Make) -> None:
    """Within its timeout a function gives its value, or its own exception."""

    @asset(timeout=timedelta(seconds=30))
    def quick() -> int:
        return 1

    shop, replies = made(bench, quick)

    assert [r.kind for r in replies] == ["produced"]
    assert shop.value("quick") == 1


def test_a_functions_own_timeout_is_its_own(bench: Make) -> None:
    """A TimeoutError of the function is told as it was raised."""

    @asset(timeout=timedelta(seconds=30))
    def asks() -> int:
        message = "the server does not answer"
        raise TimeoutError(message)

    shop, replies = made(bench, asks)

    assert shop.error("asks", replies).error == "the server does not answer"


def test_a_process_is_not_ended_by_a_function(bench: Make) -> None:
    """`sys.exit()` in a function that has a timeout is a failure like any other."""

    @asset(timeout=timedelta(seconds=30))
    def exits() -> Never:
        sys.exit(3)

    shop, replies = made(bench, exits)

    assert replies == [Raised()]
    assert shop.error("exits", replies).error_type == "SystemExit"
