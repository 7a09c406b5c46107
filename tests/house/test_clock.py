"""The sandbox stays strict: what differs on replay stops a flow that asks it."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer
from temporalio.worker.workflow_sandbox import (
    SandboxedWorkflowRunner,
    SandboxRestrictions,
)

from flowstone.engines.temporal.plugin import FlowstonePlugin
from flowstone.engines.temporal.served import WORKFLOWS
from tests.house.source import ROOT

FLOW = "flowstone.flows.materialize"
BEGINS = "    request = flow.request\n"
HISTORY = ROOT / "tests/temporal/histories/0.1/warm.json"


class _Spoilt(SourceFileLoader):
    """Loads the flow with one line more at the beginning of its function."""

    line = ""

    def get_code(self, fullname: str) -> CodeType:
        source = Path(self.path).read_text()
        assert BEGINS in source
        spoilt = source.replace(BEGINS, f"    {self.line}\n{BEGINS}", 1)
        return compile(spoilt, self.path, "exec")


class _Finder:
    """Finds the spoilt flow, for whoever imports it anew: the sandbox does each time."""

    def __init__(self, line: str) -> None:
        self._line = line

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        if fullname != FLOW:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        assert spec is not None
        assert spec.origin is not None
        spec.loader = _Spoilt(fullname, spec.origin)
        spec.loader.line = self._line
        return spec


async def _replay() -> Exception | None:
    """Replay a recorded run with the flows as they are found now."""
    text = HISTORY.read_text()
    begun = json.loads(text)["events"][0]["workflowExecutionStartedEventAttributes"]
    history = WorkflowHistory.from_json(begun["workflowId"], text)
    replayer = Replayer(workflows=WORKFLOWS, plugins=[FlowstonePlugin()])
    result = await replayer.replay_workflow(history, raise_on_replay_failure=False)
    return result.replay_failure


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("import time; time.time()", "time.time"),
        ("import datetime; datetime.datetime.now()", "datetime.datetime.now"),
        ("import uuid; uuid.uuid4()", "uuid.uuid4"),
        ("import random; random.random()", "random.random"),
        ("open('/dev/null')", "open"),
    ],
)
async def test_a_clock_in_a_flow_stops_it(
    line: str, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flow that asks a clock, a dice or a file fails its task, and is not replayed."""
    monkeypatch.setattr(sys, "meta_path", [_Finder(line), *sys.meta_path])

    failure = await _replay()

    assert "RestrictedWorkflowAccessError" in repr(failure)
    assert named in repr(failure)


async def test_the_flow_as_it_is_asks_nothing() -> None:
    """The same run replays where nobody has added anything."""
    assert await _replay() is None


def test_only_pure_words_pass_through_the_sandbox() -> None:
    """Beside Temporal's own list, the sandbox lets pass what decides nothing, alone."""
    config = Replayer(workflows=WORKFLOWS, plugins=[FlowstonePlugin()]).config(
        active_config=True
    )
    runner = config.get("workflow_runner")

    assert isinstance(runner, SandboxedWorkflowRunner)
    usual = SandboxRestrictions.default.passthrough_modules
    assert runner.restrictions.passthrough_modules - usual == {
        "flowstone.core",
        "flowstone.flows.engine",
        "flowstone.engines.temporal.engine",
        "flowstone.engines.temporal.ids",
    }
