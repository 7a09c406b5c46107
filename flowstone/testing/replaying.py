"""Replay recorded histories: what ran once can go on under this release."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from flowstone.engines.temporal.plugin import FlowstonePlugin
from flowstone.engines.temporal.served import WORKFLOWS

__all__ = ["replay"]

_BEGUN = "workflowExecutionStartedEventAttributes"


async def replay(histories: Path | str | Iterable[Path | str]) -> int:
    """Replay histories, as `temporal workflow show --output json` writes them.

    A run that began under another release goes on under this one when its history
    replays; your own code is in no history, and never breaks one.

    Args:
        histories: files, or folders whose `.json` files they are, at any depth.

    Returns:
        How many were replayed.

    Raises:
        AssertionError: one of them does not replay, or there is none.
    """
    given = [histories] if isinstance(histories, Path | str) else list(histories)
    paths = sorted(found for one in given for found in _files(Path(one)))
    if not paths:
        places = ", ".join(repr(str(one)) for one in given)
        raise AssertionError(f"There are no histories in {places}.")
    replayer = Replayer(workflows=WORKFLOWS, plugins=[FlowstonePlugin()])
    problems: list[str] = []
    for path in paths:
        result = await replayer.replay_workflow(
            _history(path), raise_on_replay_failure=False
        )
        if result.replay_failure is not None:
            problems.append(f"{path}: {result.replay_failure}")
    if problems:
        raise AssertionError(
            f"{len(problems)} of {len(paths)} histories no longer replay: the flow "
            "gives other commands than it did. Guard the change with "
            "workflow.patched(...), so that runs which began before it go on as they "
            "began.\n" + "\n".join(problems)
        )
    return len(paths)


def _files(path: Path) -> Iterable[Path]:
    return path.rglob("*.json") if path.is_dir() else [path]


def _history(path: Path) -> WorkflowHistory:
    """Read a history; its id matters, because those of its children contain it."""
    text = path.read_text()
    begun = json.loads(text)["events"][0].get(_BEGUN, {})
    return WorkflowHistory.from_json(begun.get("workflowId", path.stem), text)
