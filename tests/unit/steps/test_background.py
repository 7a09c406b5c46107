"""One loop for each worker, on which `async def` assets run."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Iterator

import pytest

from flowstone.steps.background import Background, Exited
from tests.harness import eventually


@pytest.fixture
def background() -> Iterator[Background]:
    """Give a loop of its own."""
    found = Background()
    yield found
    found.close()


async def answer() -> int:
    await asyncio.sleep(0)
    return 1


def test_a_coroutine_gives_its_result(background: Background) -> None:
    """What runs on the loop is waited for in a thread."""
    assert background.submit(answer(), "answer").result(5) == 1


def test_all_run_on_one_loop_in_one_thread(background: Background) -> None:
    """Clients and pools of one coroutine are of use to the next."""

    async def where() -> tuple[int, int]:
        return id(asyncio.get_running_loop()), threading.get_ident()

    found = {background.submit(where(), "where").result(5) for _ in range(3)}

    assert len(found) == 1


def test_a_coroutine_that_fails_fails_alone(background: Background) -> None:
    """An exception is raised where the result is waited for."""

    async def fail() -> int:
        message = "gone"
        raise OSError(message)

    with pytest.raises(OSError, match="gone"):
        background.submit(fail(), "fail").result(5)
    assert background.submit(answer(), "answer").result(5) == 1


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_a_coroutine_that_exits_exits_alone(
    kind: type[BaseException], background: Background
) -> None:
    """What would end the process does not end the loop."""
    beside = background.submit(asyncio.sleep(0.1, 5), "beside")

    async def leave() -> int:
        raise kind

    found = background.submit(leave(), "leave").result(5)

    assert isinstance(found, Exited)
    assert isinstance(found.error, kind)
    assert beside.result(5) == 5


def test_who_blocks_the_loop_is_named(
    background: Background, caplog: pytest.LogCaptureFixture
) -> None:
    """A coroutine that holds up all the others for a second is told of."""

    async def block() -> None:
        time.sleep(2.5)

    with caplog.at_level(logging.WARNING, "flowstone"):
        background.submit(block(), "greedy @ 2025-01-15").result(10)
        eventually(lambda: "was blocked" in caplog.text, within=10)

    assert "running were: greedy @ 2025-01-15." in caplog.text


def test_closing_ends_what_still_runs() -> None:
    """A loop that is closed leaves no thread behind; one never used has none."""
    background = Background()
    told = threading.Event()

    async def stay() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            told.set()
            raise

    background.submit(stay(), "stay")
    time.sleep(0.05)
    background.close()
    Background().close()

    assert told.is_set()
    assert not [t for t in threading.enumerate() if t.name == "flowstone-async"]
