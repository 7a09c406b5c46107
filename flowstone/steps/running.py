"""Run a pack: open claims, make the cells in order under a budget, commit."""

from __future__ import annotations

import time
from collections.abc import Sequence

from flowstone.core.messages import Cell, RunAssets
from flowstone.core.replies import Left, PackReply, Produced, Raised, Reply
from flowstone.ledger.base import Claimed, Opened, Wanted
from flowstone.steps.cells import placed
from flowstone.steps.pack import Pack
from flowstone.steps.points import reach
from flowstone.steps.replies import closed
from flowstone.steps.shelf import Shelf
from flowstone.steps.toolbox import Call, Job, Toolbox

__all__ = ["run_assets", "run_opened"]

At = tuple[int, int]


def run_assets(toolbox: Toolbox, call: Call, step: RunAssets) -> PackReply:
    """Make the cells of a pack."""
    job = toolbox.job(step.run)
    if job is None:
        # The database has forgotten the run: nothing of it can be made here.
        return closed(step.cells)
    pack = _Running(toolbox, call, job, call.dispatch(step.run, step.dispatch))
    cells = placed(job, step.cells)
    return pack.run(cells, budget=step.budget / 1000, last=step.last)


def run_opened(
    toolbox: Toolbox, call: Call, job: Job, cells: Sequence[Cell], opened: Opened
) -> PackReply:
    """Make all the cells of a run, whose pack was opened with its plan."""
    pack = _Running(toolbox, call, job, call.dispatch(job.run.id, 0))
    budget = job.run.request.budget / 1000
    return pack.make(cells, opened, budget=budget, last=True)


class _Running(Pack):
    """Makes the cells of a pack by their functions."""

    def run(self, cells: Sequence[Cell], *, budget: float, last: bool) -> PackReply:
        """Make the cells; say what became of each."""
        here = self._present(cells)
        rerun = self._who.attempt > 1 and len(cells) > 1
        reach("open.before")
        opened = self._toolbox.ledger.packs.open(
            self._who, self._toolbox.name, list(here.values()), rerun=rerun
        )
        if opened.closed:
            return closed(cells, ended=last and opened.closed == "succeeded")
        if rerun:
            found = dict(zip(here, opened.cells, strict=True))
            return PackReply(replies=[self._left_over(c, found) for c in cells])
        return self._go_on(cells, here, opened, budget=budget, last=last)

    def make(
        self, cells: Sequence[Cell], opened: Opened, *, budget: float, last: bool
    ) -> PackReply:
        """Make the cells of a pack that is open."""
        here = self._present(cells)
        return self._go_on(cells, here, opened, budget=budget, last=last)

    def _go_on(
        self,
        cells: Sequence[Cell],
        here: dict[At, Wanted],
        opened: Opened,
        *,
        budget: float,
        last: bool,
    ) -> PackReply:
        found = dict(zip(here, opened.cells, strict=True))
        self._take_shelf(Shelf(self._toolbox, self._job, opened.inputs))
        try:
            self._make_all(cells, here, found, budget)
            ended = self._finish(last=last)
        except Exception:
            self._group.drop()
            raise
        finally:
            self._group.stop()
        reach("reply.before")
        replies = [self._replies[_at(c)] for c in cells]
        return PackReply(replies=replies, ended=ended)

    def _left_over(self, cell: Cell, found: dict[At, Claimed]) -> Reply:
        """Answer a cell of a pack whose worker was lost."""
        claimed = found.get(_at(cell))
        if claimed is None:
            return self._replies[_at(cell)]
        return Produced(millis=-1) if claimed.made else Left(solo=True)

    def _make_all(
        self,
        cells: Sequence[Cell],
        here: dict[At, Wanted],
        found: dict[At, Claimed],
        budget: float,
    ) -> None:
        began = time.monotonic()
        for cell in cells:
            at = _at(cell)
            if at not in here or at in self._replies:
                continue
            self._group.check()
            spent = bool(self._replies) and time.monotonic() - began > budget
            spent = spent or self._failure_stops()
            self._answer_for(at, self._make(cell, here[at], found[at], spent=spent))

    def _failure_stops(self) -> bool:
        """Tell whether something failed, and what follows is the flow's to decide."""
        return self._job.run.request.on_failure == "stop" and any(
            isinstance(reply, Raised) for reply in self._replies.values()
        )


def _at(cell: Cell) -> At:
    return (cell.node, cell.key)
