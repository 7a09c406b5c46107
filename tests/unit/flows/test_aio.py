"""A window bounds what runs, keeps one timer, and turns failures into values."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest

from flowstone.core.messages import Flow, Step
from flowstone.flows.aio import Window, finish

BEGIN = datetime(2025, 1, 15, tzinfo=UTC)


R = TypeVar("R")


class Bells:
    """An engine of which only time and bells are used."""

    def __init__(self) -> None:
        self.bells: asyncio.Queue[str] = asyncio.Queue()
        self.slept: list[timedelta] = []
        self.history_full = False
        self.outdated = False

    async def do(self, step: Step[R], summary: str = "") -> R:
        raise NotImplementedError

    async def spawn(self, flow: Flow[R], name: str) -> R:
        raise NotImplementedError

    async def sleep(self, delay: timedelta, why: str) -> None:
        self.slept.append(delay)
        await asyncio.sleep(delay.total_seconds() / 1000)

    async def doorbell(self) -> str:
        return await self.bells.get()

    def now(self) -> datetime:
        return BEGIN

    def show(self, details: Callable[[], str]) -> None:
        raise NotImplementedError


async def answer(text: str, *, turns: int = 1) -> str:
    for _ in range(turns):
        await asyncio.sleep(0)
    return text


async def fail() -> str:
    await asyncio.sleep(0)
    raise OSError("gone")


async def stay() -> str:
    await asyncio.get_running_loop().create_future()
    return ""


async def all_of(window: Window[str, str]) -> list[tuple[str, str | BaseException]]:
    found: list[tuple[str, str | BaseException]] = []
    while window.busy:
        done, _ = await window.next(until=None)
        found += done
    return found


async def test_results_come_in_the_order_in_which_they_are_ready() -> None:
    """The first job that ends is the first whose result is taken."""
    window: Window[str, str] = Window(Bells(), 3)
    for name, turns in (("slow", 5), ("quick", 1), ("between", 3)):
        window.start(name, answer(name.upper(), turns=turns))

    found = await all_of(window)
    window.close()

    assert found == [("quick", "QUICK"), ("between", "BETWEEN"), ("slow", "SLOW")]


async def test_a_failed_job_is_a_value_beside_the_others() -> None:
    """A job that raises gives its exception, and the others their results."""
    window: Window[str, str] = Window(Bells(), 2)
    window.start("bad", fail())
    window.start("good", answer("good", turns=3))

    found = dict(await all_of(window))
    window.close()

    assert isinstance(found["bad"], OSError)
    assert found["good"] == "good"


async def test_a_window_knows_how_much_room_it_has() -> None:
    """What runs takes room, what has ended gives it back."""
    window: Window[str, str] = Window(Bells(), 2)
    assert window.room == 2
    window.start("one", answer("one"))
    assert (window.room, window.busy) == (1, True)

    await all_of(window)
    window.close()

    assert (window.room, window.busy) == (2, False)


async def test_a_result_that_is_there_is_taken_without_waiting() -> None:
    """What ended while nobody waited is given at once."""
    window: Window[str, str] = Window(Bells(), 1)
    window.start("one", answer("one"))
    await asyncio.sleep(0.01)

    found = await window.next(until=None)
    window.close()

    assert found == ([("one", "one")], [])


async def test_a_cancelled_job_is_a_value_too() -> None:
    """Every job that is cancelled still gives a result: that it was cancelled."""
    window: Window[str, str] = Window(Bells(), 2)
    window.start("one", stay())
    window.start("two", stay())
    await asyncio.sleep(0)
    window.cancel()

    found = await all_of(window)
    window.close()

    assert [name for name, _ in found] == ["one", "two"]
    assert all(isinstance(r, asyncio.CancelledError) for _, r in found)


async def test_no_bell_is_lost_between_two_waits() -> None:
    """Bells that ring while nobody waits are given together, in order."""
    engine = Bells()
    window: Window[str, str] = Window(engine, 1)
    engine.bells.put_nowait("a")
    assert await window.next(until=None) == ([], ["a"])
    for gate in ("b", "c"):
        engine.bells.put_nowait(gate)
    await asyncio.sleep(0.01)

    found = await window.next(until=None)
    window.close()

    assert found == ([], ["b", "c"])


async def test_a_timer_to_the_same_instant_is_kept() -> None:
    """An unchanged instant starts no second timer, however often it is waited for."""
    engine = Bells()
    window: Window[str, str] = Window(engine, 1)
    due = BEGIN + timedelta(hours=1)
    for gate in ("a", "b", "c"):
        engine.bells.put_nowait(gate)
        await window.next(until=due)
    window.close()

    assert engine.slept == [timedelta(hours=1)]


async def test_another_instant_replaces_the_timer() -> None:
    """There is one timer: another instant takes its place, none takes it away."""
    engine = Bells()
    window: Window[str, str] = Window(engine, 1)
    for gate, until in (
        ("a", BEGIN + timedelta(hours=2)),
        ("b", BEGIN + timedelta(hours=1)),
        ("c", None),
        ("d", BEGIN + timedelta(hours=1)),
    ):
        engine.bells.put_nowait(gate)
        await window.next(until=until)
        await asyncio.sleep(0)
    window.close()

    hours = [delay / timedelta(hours=1) for delay in engine.slept]
    assert hours == [2, 1, 1]


async def test_a_timer_that_was_too_early_is_started_again() -> None:
    """A timer that fired before its instant, by the engine's clock, waits anew."""
    engine = Bells()
    window: Window[str, str] = Window(engine, 1)
    due = BEGIN + timedelta(milliseconds=10)
    assert await window.next(until=due) == ([], [])
    assert await window.next(until=due) == ([], [])
    window.close()

    assert engine.slept == [timedelta(milliseconds=10)] * 2


async def test_an_instant_that_has_passed_wakes_at_once() -> None:
    """A timer is never set to a negative time."""
    engine = Bells()
    window: Window[str, str] = Window(engine, 1)
    await window.next(until=BEGIN - timedelta(hours=1))
    window.close()

    assert engine.slept == [timedelta(0)]


async def test_a_closed_window_leaves_no_task_behind() -> None:
    """Closing stops the listener, the timer and whatever still runs."""
    window: Window[str, str] = Window(Bells(), 1)
    window.start("one", stay())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await window.next(until=BEGIN + timedelta(hours=1))
    assert len(asyncio.all_tasks()) == 4
    window.close()
    await asyncio.sleep(0.01)

    assert len(asyncio.all_tasks()) == 1


# --- one job ------------------------------------------------------------------------


async def deaf(heard: list[str]) -> str:
    """End in good order, as a step does, although it is cancelled."""
    try:
        await asyncio.get_running_loop().create_future()
    except asyncio.CancelledError:
        heard.append("stop")
    return "ended"


async def test_a_job_that_swallows_a_cancellation_does_not_hide_it() -> None:
    """A job that ends well after it was cancelled tells its result, and that it was."""
    heard: list[str] = []
    task = asyncio.ensure_future(finish(deaf(heard)))
    await asyncio.sleep(0.01)
    task.cancel()

    assert await task == ("ended", True)
    assert heard == ["stop"]


async def test_a_job_that_may_not_be_stopped_does_not_hear_of_it() -> None:
    """What must be written is written, whoever cancels meanwhile."""
    task = asyncio.ensure_future(finish(answer("done", turns=5), stoppable=False))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()

    assert await task == ("done", True)


async def test_a_job_that_fails_alone_is_a_value() -> None:
    """One job's exception comes back as a value, as in a window."""
    found, cancelled = await finish(fail())

    assert isinstance(found, OSError)
    assert not cancelled
