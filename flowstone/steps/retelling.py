"""Tell again what an attempt that was lost may have recorded without telling.

A worker can die between its commit and its handlers. The next attempt at the same step
then tells what is recorded of it, so that handlers are told at least once.
"""

from __future__ import annotations

from flowstone.core.events import RUN_STARTS, RUN_STOPS, Event
from flowstone.core.messages import EndRun, MakePlan, RunAssets, SettleGates, Step
from flowstone.steps.cells import key_text
from flowstone.steps.toolbox import Toolbox

__all__ = ["retell"]


def retell(toolbox: Toolbox, step: Step[object]) -> None:
    """Tell handlers what is recorded of a step already."""
    if not toolbox.telemetry.listens("flowstone."):
        return
    match step:
        case MakePlan(request=request, along=along):
            found = _recorded(toolbox, request.run)
            toolbox.telemetry.emit(e for e in found if along or e.name in RUN_STARTS)
        case EndRun(run=run):
            toolbox.telemetry.emit(_ending(_recorded(toolbox, run)))
        case RunAssets() | SettleGates():
            toolbox.telemetry.emit(_of_cells(toolbox, step))
        case _:
            pass


def _recorded(toolbox: Toolbox, run: str) -> list[Event]:
    return toolbox.ledger.runs.events(run)


def _ending(found: list[Event]) -> list[Event]:
    """Give what was recorded with the end of a run, in the same instant."""
    ends = {e.at for e in found if e.name in RUN_STOPS}
    return [e for e in found if e.at in ends]


def _of_cells(toolbox: Toolbox, step: RunAssets | SettleGates) -> list[Event]:
    """Give what was recorded of the cells of a step, and the end it may have written."""
    job = toolbox.job(step.run)
    if job is None:
        return []
    nodes = job.plan.nodes
    cells = {
        (nodes[node].asset, key_text(job, nodes[node], key))
        for node, key, *_ in step.cells
    }
    found = _recorded(toolbox, step.run)
    mine = [e for e in found if (e.asset, e.key) in cells and _is_cells(e)]
    return [*mine, *(e for e in _ending(found) if not _is_cells(e))]


def _is_cells(event: Event) -> bool:
    """Tell whether an event is of a cell rather than of its run."""
    return event.name not in RUN_STARTS | RUN_STOPS
