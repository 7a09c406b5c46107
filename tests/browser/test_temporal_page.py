"""Temporal's page of a run, in a real browser: people see what their pipeline does."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from dev.flights.app import app
from dev.flights.pipeline import daily_report
from flowstone import Run
from flowstone.stack import Stack
from tests.harness import WorkerProcess, upgrade

pytestmark = [
    pytest.mark.service,
    pytest.mark.timeout(240),
    pytest.mark.xdist_group("browser"),
]

DAY = date(2013, 2, 8)
SHARED = {"airlines", "airports", "planes"}
WAIT = 30_000
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    """Serve a Temporal with its pages, a ledger, and the demonstration's worker."""
    with Stack() as stack:
        found = {
            **stack.environment(),
            "TEMPORAL_UI_ADDRESS": stack.ui_url or "",
            "FLOWSTONE_PACKS": "off",
        }
        upgrade(stack.ledger_url)
        assert stack.postgres is not None
        logs = stack.postgres.folder.parent / "worker"
        worker = WorkerProcess("dev.flights.app:app", logs, found)
        try:
            worker.wait_ready()
            yield found
        finally:
            worker.end()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Give a Chromium without a window."""
    program = shutil.which("chromium")
    assert program, "no chromium is on PATH: run dev/browser, or install the package"
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield found
        found.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Give an empty page of a size at which the whole of a run is seen."""
    found = browser.new_page(viewport={"width": 1500, "height": 1180})
    found.set_default_timeout(WAIT)
    yield found
    found.close()
