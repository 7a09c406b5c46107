"""A run that is known to be short: its pack is opened with its plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from flowstone.core.along import taken_along
from flowstone.core.messages import Cell, First
from flowstone.core.plan import Plan, Skeleton, make_skeleton
from flowstone.ledger.base import RunRow, Wanted
from flowstone.ledger.beginning import Along, Begun
from flowstone.steps.cells import not_here, placed, wanted
from flowstone.steps.running import run_opened
from flowstone.steps.toolbox import Call, Job, Toolbox

__all__ = ["Taken", "skeleton_of"]

_FIRST = 0
"""The number of its dispatch, below all that a flow gives: who comes later takes over."""


class Taken:
    """What is made along with a plan, once it is known to be written.

    Args:
        toolbox: what the worker has.
        plan: the plan.
        absent: the nodes that it was given and that have no value.
    """

    def __init__(self, toolbox: Toolbox, plan: Plan, absent: Sequence[int]) -> None:
        self._toolbox = toolbox
        self._plan = plan
        self._absent = absent
        self._cells: list[Cell] = []

    def along(self, call: Call, run: str) -> Along:
        """Give what the ledger asks."""
        return Along(who=call.dispatch(run, _FIRST), choose=self._choose)

    def _choose(self, run: RunRow, millis: Mapping[str, int]) -> Sequence[Wanted]:
        skeleton = skeleton_of(self._plan, millis, self._absent)
        cells = taken_along(skeleton, run.request, datetime.now(UTC))
        job = Job(run=run, plan=self._plan)
        nodes = [self._plan.nodes[cell.node] for cell in cells]
        # What this worker cannot make is for its flow to see.
        if any(not_here(self._toolbox, node) for node in nodes):
            return ()
        self._cells = placed(job, cells)
        return [wanted(self._toolbox, job, cell) for cell in self._cells]

    def make(self, call: Call, begun: Begun) -> First | None:
        """Make what was opened; nothing, where nothing was."""
        if begun.opened is None:
            return None
        job = Job(run=begun.run, plan=self._plan)
        reply = run_opened(self._toolbox, call, job, self._cells, begun.opened)
        return First(cells=[cell.node for cell in self._cells], reply=reply)


def skeleton_of(
    plan: Plan, millis: Mapping[str, int], absent: Sequence[int]
) -> Skeleton:
    """Give the skeleton of a plan, by durations as the ledger has them."""
    named = {asset.split("/", 1)[1]: taken for asset, taken in millis.items()}
    return make_skeleton(plan, named, absent)
