"""The reference names everything that people can meet: errors, events, verbs, settings."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, cast, get_args

import flowstone
from flowstone import (
    Client,
    Fatal,
    Flowstone,
    FlowstoneError,
    Pipeline,
    Retry,
    Run,
    Signal,
    Skip,
    Snooze,
    asset,
    testing,
)
from flowstone.core.events import KINDS
from flowstone.core.messages import Status
from flowstone.settings import Setting, Settings
from flowstone.steps.points import POINTS
from flowstone.testing import plugin
from flowstone.views import (
    Approvals,
    Audit,
    Gates,
    Lineage,
    Runs,
    Schedules,
    Sensors,
    StatusWord,
)
from tests.house.source import ROOT, modules

REFERENCE = ROOT / "docs" / "reference"
EMPTY = timedelta(0)
OF_TESTS = {
    *("FLOWSTONE_CRASH_AT", "FLOWSTONE_FREEZE_AT"),
    *("FLOWSTONE_TEST_DSN", "FLOWSTONE_DEMO_COUNTS"),
}


def page(name: str) -> str:
    return (REFERENCE / f"{name}.md").read_text()


def named(name: str) -> set[str]:
    """Give every word that a page of the reference has in backticks."""
    return set(re.findall(r"`([^`\n]+)`", page(name)))


def verbs(noun: type) -> Iterator[str]:
    """Give what one may ask of a noun."""
    for name, member in inspect.getmembers(noun):
        if not name.startswith("_") and (
            callable(member) or isinstance(member, property)
        ):
            yield name


def below(root: type[FlowstoneError]) -> Iterator[str]:
    for child in root.__subclasses__():
        if child.__module__.startswith("flowstone."):
            yield child.__name__
            yield from below(child)


def test_every_error_is_explained() -> None:
    """Each class of the tree is in the reference of errors, and can be imported."""
    errors = set(below(FlowstoneError))

    assert sorted(errors - named("errors")) == []
    assert sorted(errors - set(flowstone.__all__)) == []


def test_every_verb_is_explained() -> None:
    """Each verb of the client, of a run and of their nouns is in the reference."""
    said = page("verbs")
    nouns = {
        "": Client,
        "runs.": Runs,
        "lineage.": Lineage,
        "approvals.": Approvals,
        "gates.": Gates,
        "audit.": Audit,
        "schedules.": Schedules,
        "sensors.": Sensors,
        "run.": Run,
    }

    unsaid = [
        f"{prefix}{verb}"
        for prefix, noun in nouns.items()
        for verb in verbs(cast("type", noun))
        if not re.search(rf"`{re.escape(prefix)}{verb}\b", said)
    ]
    assert unsaid == []


def test_every_setting_is_explained() -> None:
    """Each variable that the code reads is in the reference of settings."""
    read = {
        name
        for module in modules("flowstone", "workers")
        for name in re.findall(r"\bFLOWSTONE_[A-Z0-9_]*[A-Z]\b", module.text)
    }
    said = set(re.findall(r"FLOWSTONE_[A-Z0-9_]*[A-Z]", page("settings")))

    assert "FLOWSTONE_LEDGER_URL" in read
    assert sorted(read - said) == []
    assert Settings.from_env({}).budget == 200  # as the page says


def test_every_setting_is_in_one_place() -> None:
    """Whatever variable some module reads, `flowstone config` shows."""
    read = {
        name
        for module in modules("flowstone", "workers")
        for name in re.findall(r"[\"'](FLOWSTONE_[A-Z0-9_]*[A-Z])[\"']", module.text)
    }
    shown: list[Setting] = Settings.shown(environ={})

    assert len(shown) > 10
    assert sorted(read - {s.name for s in shown} - OF_TESTS) == []
    assert all(s.about for s in shown)


def test_every_status_is_explained() -> None:
    """Each word for how a run or an asset stands is in the reference of statuses."""
    words = {*get_args(Status), *get_args(StatusWord), "starting", "running"}

    assert sorted(words - named("statuses")) == []


def test_every_event_is_explained() -> None:
    """Each dotted name, and its class, is in the reference of events."""
    said = named("events")
    classes = {kind.__name__ for kind in KINDS.values()}

    assert len(KINDS) >= 17
    assert sorted({*KINDS, *classes} - said) == []


def test_every_event_has_a_class() -> None:
    """The code names no event but by its class: one vocabulary, in one module."""
    told = {
        f"{module.path}: {constant.value}"
        for module in modules("flowstone")
        for call in ast.walk(module.tree)
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "Event"
        for constant in ast.walk(call)
        if isinstance(constant, ast.Constant)
        and str(constant.value).startswith("flowstone.")
        and constant.value not in KINDS
    }

    assert sorted(told) == []


def test_every_part_of_the_kit_is_explained() -> None:
    """Each name of the testing kit, each fixture and each point is in the reference."""
    said = {re.split(r"[(]", name)[0] for name in named("testing")}
    fixtures = {n for n in plugin.__all__ if not n.startswith("pytest_")}

    assert sorted({*testing.__all__, *fixtures, *POINTS} - said) == []


@asset
def made() -> int:
    return 1


@asset
def skipped(made: int) -> int | Skip:
    return Skip("nothing today")


@asset(retry=Retry(attempts=2, delay=EMPTY))
def failing(made: int) -> int:
    raise ValueError(made)


@asset
def hopeless(made: int) -> int:
    raise Fatal("never")


@asset
def blocked(failing: int) -> int:
    return failing


CALLS: list[int] = []


@asset
def snoozing() -> int | Snooze:
    CALLS.append(1)
    return Snooze(EMPTY) if len(CALLS) == 1 else 1


@asset
def waiting() -> Signal[int]:
    return Signal(timeout=timedelta(milliseconds=50))


ASSETS = (made, skipped, failing, hopeless, blocked, snoozing, waiting)


async def test_every_event_of_a_run_is_explained() -> None:
    """Whatever becomes of a run, its events are those of the reference."""
    said = named("events")
    seen: set[str] = set()
    app = Flowstone("reference", Pipeline(*ASSETS))

    async with app.local() as stone:
        runs: list[Run[Any]] = [await stone.materialize_all(a) for a in ASSETS]
        runs.append(await stone.backfill(made, [1, 2]))
        for run in runs:
            await run.wait()
            for event in await run.events():
                seen.add(event.name)
                outcome = event.outcome
                assert not outcome or outcome in said, f"{event.name}: {outcome}"

    assert len(seen) >= 7
    assert sorted(seen - said) == []
