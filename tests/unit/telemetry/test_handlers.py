"""Handlers: who is told of what, and what a bad one does."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from flowstone import ConfigurationError, telemetry
from flowstone.telemetry import Event, Handlers, LoadStarted, RunStarted, RunStopped

STARTED, STOPPED = RunStarted(asset="a"), RunStopped(asset="a", outcome="failed")
LOADING = LoadStarted(asset="a")


@pytest.fixture
def told() -> list[Event]:
    return []


@pytest.fixture
def handlers() -> Handlers:
    return Handlers()


def test_a_handler_is_told_what_it_asked_for(
    handlers: Handlers, told: list[Event]
) -> None:
    """The beginning of a name chooses events, down to a single kind."""
    handlers.attach(told.append, "flowstone.run.")
    handlers.emit([STARTED, LOADING, STOPPED])

    assert told == [STARTED, STOPPED]


def test_a_handler_is_attached_once(handlers: Handlers, told: list[Event]) -> None:
    """A module that is imported under two names does not count everything twice."""
    handlers.attach(told.append)
    handlers.attach(told.append)
    handlers.emit([STARTED])

    assert told == [STARTED]


def test_a_detached_handler_hears_nothing(
    handlers: Handlers, told: list[Event]
) -> None:
    """Detaching ends all of a handler's attachments; twice is no error."""
    handlers.attach(told.append, "flowstone.run.")
    handlers.attach(told.append, "flowstone.io.")
    handlers.detach(told.append)
    handlers.detach(told.append)
    handlers.emit([STARTED, LOADING])

    assert told == []


def test_a_failing_handler_is_logged_and_the_others_are_told(
    handlers: Handlers, told: list[Event], caplog: pytest.LogCaptureFixture
) -> None:
    """What a handler raises reaches the log and nobody else."""

    def broken(event: Event) -> None:
        raise RuntimeError(event.name)

    handlers.attach(broken)
    handlers.attach(told.append)
    handlers.emit([STARTED, STOPPED])

    assert told == [STARTED, STOPPED]
    assert [r.levelno for r in caplog.records] == [logging.ERROR] * 2
    assert "a handler of events failed on flowstone.run.start" in caplog.text
    assert "RuntimeError" in caplog.text


def test_a_clients_handlers_are_its_own(told: list[Event]) -> None:
    """What one client does is told to its handlers and its process's, to no other's."""
    process = Handlers()
    one, other = Handlers(process), Handlers(process)
    both: list[Event] = []
    process.attach(both.append)
    one.attach(told.append)

    one.emit([STARTED])
    other.emit([STOPPED])

    assert told == [STARTED]
    assert both == [STARTED, STOPPED]


@pytest.mark.parametrize(
    ("attached", "asked", "wanted"),
    [
        ("flowstone.", "flowstone.io.", True),
        ("flowstone.io.load.", "flowstone.io.", True),
        ("flowstone.io.", "flowstone.io.load.", True),
        ("flowstone.run.", "flowstone.io.", False),
        ("", "flowstone.io.", True),
    ],
)
def test_nothing_is_made_for_nobody(
    handlers: Handlers, attached: str, asked: str, wanted: bool
) -> None:
    """Whether somebody listens can be asked before an event is made."""
    below = Handlers(handlers)
    assert not below.listens(asked)
    handlers.attach(print, attached)

    assert handlers.listens(asked) is below.listens(asked) is wanted


@pytest.mark.parametrize("prefix", ["run.", "flowston.", "Flowstone."])
def test_a_prefix_that_no_name_has_is_refused(handlers: Handlers, prefix: str) -> None:
    """A misspelt prefix is refused when it is attached, rather than silent for ever."""
    with pytest.raises(ConfigurationError, match="begin with 'flowstone\\.'"):
        handlers.attach(print, prefix)


def test_handlers_are_attached_from_many_threads(handlers: Handlers) -> None:
    """Attaching and telling at once loses no handler."""
    together = threading.Barrier(8)
    told: list[list[Event]] = [[] for _ in range(200)]

    def work(start: int) -> None:
        together.wait()
        for one in told[start::8]:
            handlers.attach(one.append)
            handlers.emit([LOADING])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    for one in told:
        one.clear()
    handlers.emit([STARTED])

    assert told == [[STARTED]] * 200


@pytest.fixture
def attached(told: list[Event]) -> Iterator[list[Event]]:
    telemetry.attach(told.append, "flowstone.run.")
    yield told
    telemetry.detach(told.append)


def test_a_process_has_handlers(attached: list[Event]) -> None:
    """`attach` and `detach` are about every app of the process."""
    Handlers(telemetry.PROCESS).emit([STARTED, LOADING])
    telemetry.detach(attached.append)
    Handlers(telemetry.PROCESS).emit([STOPPED])

    assert attached == [STARTED]
