"""Temporal's page of a run, in a real browser: people see what their pipeline does."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import cast

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from dev.flights.app import app
from flowstone.stack import Stack
from tests.harness import ROOT, WorkerProcess, upgrade

pytestmark = [
    pytest.mark.service,
    pytest.mark.timeout(240),
    pytest.mark.xdist_group("browser"),
]

DAY = date(2013, 2, 8)
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
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve a Temporal with its pages, a ledger, an S3, the demonstration's worker."""
    with Stack(s3=True) as stack, pytest.MonkeyPatch.context() as environment:
        for name, value in stack.environment().items():
            environment.setenv(name, value)
        environment.setenv("FLOWSTONE_ACTOR", "anna")
        environment.setenv("TEMPORAL_UI_ADDRESS", stack.ui_url or "")
        upgrade(stack.ledger_url)
        logs = tmp_path_factory.mktemp("worker")
        worker = WorkerProcess("dev.flights.app:app", logs, {})
        try:
            worker.wait_ready()
            yield stack.temporal_address
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


def take(page: Page, name: str, folder: Path) -> None:
    """Take a picture; the documentation's is taken anew where that is asked for."""
    if os.environ.get("FLOWSTONE_WRITE_PICTURES"):
        folder = ROOT / "docs" / "images"
    file = folder / f"{name}.png"
    page.screenshot(path=file)
    assert file.stat().st_size > 10_000


def details(page: Page) -> Locator:
    """Turn to what a workflow says of how it stands, and give it."""
    page.get_by_role("tab", name="User Metadata").click()
    return page.frame_locator("iframe").last.locator("body")


def test_the_page_of_a_run_tells_what_becomes_of_each_asset(
    address: str, page: Page, tmp_path: Path
) -> None:
    """Temporal's page names each asset with its day, and shows how all of them stand."""
    with app.connect(address, packs=False).sync() as stone:
        run = stone.materialize_all("daily_report", DAY)
        assert run.wait().status == "succeeded"
        page.goto(cast("str", run.url))

    made = [a for a in app.pipeline if a.name in app.pipeline.ancestors("daily_report")]
    for asset in made:
        key = "" if asset.is_single else f" @ {DAY}"
        summary = page.get_by_text(f"flowstone.RunAssets • {asset.name}{key}")
        expect(summary.first).to_be_visible(timeout=WAIT)
    take(page, "temporal-page", tmp_path)

    found = details(page)
    count = len(made)
    expect(found).to_contain_text(f"{count} of {count} done", timeout=WAIT)
    for asset in made:
        row = found.get_by_role("row", name=f"{asset.name} ✓ made")
        expect(row).to_be_visible()
    take(page, "temporal-details", tmp_path)


def test_the_page_of_a_backfill_tells_how_far_it_is(
    address: str, page: Page, tmp_path: Path
) -> None:
    """Temporal's page of a backfill names its stretches of keys, and counts them."""
    days = [date(2013, 3, day) for day in (1, 2, 3)]
    with app.connect(address).sync() as stone:
        run = stone.backfill("daily_report", days)
        assert run.wait().status == "succeeded"
        page.goto(cast("str", run.url))

    for keys in ("key 1 of 3", "keys 2 to 3 of 3"):
        summary = page.get_by_text(f"daily_report @ {keys}")
        expect(summary.first).to_be_visible(timeout=WAIT)
    expect(details(page)).to_contain_text("3 of 3 keys done", timeout=WAIT)
    take(page, "temporal-backfill", tmp_path)
