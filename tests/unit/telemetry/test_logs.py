"""Logs: what happened as lines, and lines as JSON."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest

from flowstone import Context
from flowstone.telemetry import (
    ErrorOccurred,
    Event,
    GateExpired,
    JsonFormatter,
    LoadStopped,
    MaterializationFailed,
    MaterializationStopped,
    RunStopped,
    log_as_json,
    log_events,
)

MADE = MaterializationStopped(
    asset="raw", key="2025-01-15", run="r", outcome="produced", version="v", millis=7
)


@pytest.fixture
def lines() -> Iterator[list[dict[str, Any]]]:
    """Give what is logged as JSON, read again."""
    written = io.StringIO()
    found: list[dict[str, Any]] = []
    handler = logging.StreamHandler(written)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger("flowstone")
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)

    class Lines(list[dict[str, Any]]):
        def __iter__(self) -> Iterator[dict[str, Any]]:
            return iter([json.loads(t) for t in written.getvalue().splitlines()])

    yield Lines(found)
    root.setLevel(before)
    root.removeHandler(handler)


@pytest.mark.parametrize(
    ("event", "level"),
    [
        (MADE, logging.INFO),
        (MaterializationFailed(asset="a", outcome="failed"), logging.WARNING),
        (RunStopped(asset="a", outcome="failed"), logging.WARNING),
        (GateExpired(asset="a", outcome="expired"), logging.WARNING),
        (ErrorOccurred(asset="a", outcome="not_here"), logging.ERROR),
        (LoadStopped(asset="a", outcome="ok"), logging.DEBUG),
    ],
)
def test_a_line_is_as_loud_as_it_should_be(
    event: Event, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    """What needs a person is an error, what may pass a warning, traffic is quiet."""
    caplog.set_level(logging.DEBUG)
    log_events(event)

    assert [r.levelno for r in caplog.records] == [level]


def test_a_line_is_read_by_people(caplog: pytest.LogCaptureFixture) -> None:
    """A line says what happened to which asset at which partition, and how it ended."""
    caplog.set_level(logging.INFO)
    log_events(MADE)
    log_events(LoadStopped(asset="a"))

    assert caplog.messages == ["materialization.stop raw @ 2025-01-15: produced"]


def test_an_event_is_a_line_of_json(lines: list[dict[str, Any]]) -> None:
    """As JSON, a line names the run, the asset, the partition and all facts."""
    log_events(MADE)

    [line] = lines
    assert datetime.fromisoformat(line.pop("time")).tzinfo == UTC
    assert line == {
        "level": "INFO",
        "logger": "flowstone.events",
        "message": "materialization.stop raw @ 2025-01-15: produced",
        "event": "flowstone.materialization.stop",
        "asset": "raw",
        "partition": "2025-01-15",
        "run_id": "r",
        "outcome": "produced",
        "data": {"version": "v", "millis": 7},
    }


def test_an_asset_logs_where_it_is(lines: list[dict[str, Any]]) -> None:
    """A line of `ctx.log` names the run, the asset and the partition's text."""
    ctx = Context(asset="raw", partition=(date(2025, 1, 15), "eu"), run_id="r")
    ctx.log.info("read %d rows", 3, extra={"rows": 3})
    Context(asset="raw").log.warning("no key")

    one, two = lines
    assert one["message"] == "raw @ (2025-01-15,eu): read 3 rows"
    assert one["partition"] == "(2025-01-15,eu)"
    assert (one["asset"], one["run_id"], one["rows"]) == ("raw", "r", 3)
    assert (two["message"], two["partition"]) == ("raw: no key", "-")


def test_an_exception_stays_on_its_line(lines: list[dict[str, Any]]) -> None:
    """A traceback is part of its line, and what is no JSON is written as text."""
    log = logging.getLogger("flowstone.asset")
    try:
        int("bad row")
    except ValueError:
        log.exception("it broke", extra={"day": date(2025, 1, 15)})

    [line] = lines
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("'bad row'")
    assert line["day"] == "2025-01-15"


def test_a_process_logs_as_json() -> None:
    """One call has a process write its whole log as JSON."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()
    stream = io.StringIO()
    try:
        log_as_json(logging.WARNING, stream)
        logging.getLogger("anybody").info("unheard")
        logging.getLogger("anybody").warning("heard")
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)

    assert json.loads(stream.getvalue())["message"] == "heard"
