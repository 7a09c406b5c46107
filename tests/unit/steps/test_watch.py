"""One thread beats for all, and stops what was cancelled, in users' code alone."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from flowstone.core.outcome import Cancelled
from flowstone.steps.watch import Region, Watch
from tests.harness import ROOT, eventually


@pytest.fixture
def watch() -> Iterator[Watch]:
    """Give a watch that beats at each of its ticks, and has no patience."""
    found = Watch(grace=0.0, beat_every=0.0)
    yield found
    found.close()


def test_it_beats_for_every_call(watch: Watch) -> None:
    """Each call's engine hears that it lives, for as long as it lasts."""
    one: list[object] = []
    other: list[object] = []
    with watch.over(one.append, threading.Event()):
        with watch.over(other.append, threading.Event()):
            eventually(lambda: one and other, within=5)
        ended = len(other)
        more = len(one) + 2
        eventually(lambda: len(one) >= more, within=5)

    assert set(one) == {None}
    assert len(other) <= ended + 1


def test_a_beat_that_fails_is_the_engines_affair(
    watch: Watch, caplog: pytest.LogCaptureFixture
) -> None:
    """The thread goes on beating for all the others, and says what happened."""
    beats: list[object] = []

    def fail(_: object) -> None:
        message = "the engine is gone"
        raise RuntimeError(message)

    with (
        caplog.at_level(logging.WARNING, "flowstone"),
        watch.over(fail, threading.Event()),
        watch.over(beats.append, threading.Event()),
    ):
        eventually(lambda: len(beats) > 1, within=5)

    assert "a heartbeat failed" in caplog.text


def ended(work: Callable[[], object]) -> str:
    """Say how some work ended, in a thread of its own: not to harm this one."""
    found: list[str] = []

    def run() -> None:
        try:
            work()
        except Cancelled:
            found.append("stopped")
        else:
            found.append("in good order")

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(10)
    return found[0] if found else "never"


def sleep(seconds: float) -> None:
    """Sleep in steps between which a thread can be stopped."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        time.sleep(0.001)


@pytest.mark.parametrize(
    ("cancelled", "grace", "how"),
    [
        (False, 0, "in good order"),
        (True, 60, "in good order"),
        (True, 0, "stopped"),
    ],
)
def test_who_was_told_and_goes_on_is_stopped(
    cancelled: bool, grace: float, how: str
) -> None:
    """A cancelled function is stopped after the grace; nobody else, and not before."""
    flag = threading.Event()
    region = Region(flag)

    def work() -> None:
        with region.entered():
            region.check(grace)
            sleep(0.05)

    if cancelled:
        flag.set()

    assert ended(work) == how


def test_nobody_is_stopped_outside_of_users_code() -> None:
    """Before and after the user's function, nothing is raised."""
    flag = threading.Event()
    region = Region(flag)
    flag.set()

    def work() -> None:
        region.check(0)
        sleep(0.02)
        with region.entered():
            pass
        region.check(0)
        sleep(0.02)

    assert ended(work) == "in good order"


def test_who_is_being_stopped_can_tidy_up() -> None:
    """What a function does when it is stopped is not stopped in turn."""
    flag = threading.Event()
    region = Region(flag)
    flag.set()
    tidy: list[str] = []

    def work() -> None:
        with region.entered():
            try:
                region.check(0)
                sleep(1)
            finally:
                region.check(0)
                sleep(0.02)
                tidy.append("done")

    assert ended(work) == "stopped"
    assert tidy == ["done"]


def test_what_must_not_be_stopped_half_way_is_not() -> None:
    """Within users' code there may be a commit of ours: it is left alone."""
    flag = threading.Event()
    region = Region(flag)
    flag.set()
    kept: list[str] = []

    def work() -> None:
        with region.entered():
            with region.left():
                region.check(0)
                sleep(0.05)
                kept.append("whole")
            region.check(0)
            sleep(1)

    assert ended(work) == "stopped"
    assert kept == ["whole"]


def test_a_watch_checks_what_it_watches(watch: Watch) -> None:
    """A call that is cancelled is stopped by the thread that beats for it."""
    flag = threading.Event()
    flag.set()

    def work() -> None:
        with watch.over(lambda _: None, flag) as region, region.entered():
            sleep(5)

    assert ended(work) == "stopped"


TRACED = """
import sys
from threading import Event
from flowstone.steps.watch import Region
region = Region(Event())
with region.entered():
    pass
sys.settrace(lambda *_: lambda *_: None)
def called():
    return sum(n for n in range(9))
print(called())
"""


def test_a_function_that_was_watched_leaves_no_trace() -> None:
    """What runs afterwards can be debugged, and is as fast as ever."""
    found = subprocess.run(
        [sys.executable, "-c", TRACED],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert found.stdout == "36\n"


def test_a_watch_that_nobody_used_can_be_closed() -> None:
    """Its thread begins with the first call."""
    Watch().close()
