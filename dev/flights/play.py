"""The play: a backfill, followed live; the reports; a lineage; what has run."""
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# the assets take tables of pyarrow, which has no types

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import cast

from rich.console import Console

from dev.flights.board import Board, Ticker, Window
from dev.flights.counts import executions
from dev.flights.pages import lineage_tree, reports_table
from dev.flights.pipeline import DailyReport, daily_report
from dev.flights.signoff import HOW, Ask, sign_off
from flowstone import BackfillReport, Client, Pipeline, Progress, Run

__all__ = ["Play"]

_LOOK_EVERY = 0.15
_STILL = 30
_CELLS_PER_SECOND = 1000
"""How many cells' events are read anew in a second, while a run is followed."""


@dataclass(frozen=True, kw_only=True)
class Play:
    """One call of the demonstration.

    Attributes:
        pipeline: what it is about.
        console: where it prints.
        days: the days asked for.
        counts: the file in which the asset functions count their executions.
        ask: who signs off the report of the worst day, if that is asked for.
        watch: called again and again meanwhile; gives news for people, or nothing.
    """

    pipeline: Pipeline
    console: Console
    days: Sequence[date]
    counts: Path
    ask: Ask | None = None
    watch: Callable[[], str] = lambda: ""

    async def show(self, stone: Client) -> bool:
        """Play it; tell whether every day has its report."""
        before = executions(self.counts)
        board = await self._board(stone)
        run = await stone.backfill(
            daily_report, self.days, max_parallel=4, policy="missing"
        )
        self._title(f"Backfill of {daily_report.name}, {_span(self.days)}")
        report = await self._follow(run, board)
        if report.errors:
            for day, error in report.errors.items():
                self._print(f"{day}: {error}", style="red")
            return False
        worst = await self._results(stone)
        self._title("Summary")
        self._print(_verdict(before, executions(self.counts), await run.progress()))
        if run.url is not None:
            self._print(f"Temporal's page of the run: {run.url}", soft_wrap=True)
        self._title("Sign-off")
        if self.ask is None:
            said = f"The report of {worst} awaits its sign-off. {HOW}"
        else:
            said = await sign_off(stone, worst, self.ask)
        self._print(said)
        return True

    async def _board(self, stone: Client) -> Board:
        needed = self.pipeline.ancestors(daily_report.name)
        made = [asset for asset in self.pipeline if asset.name in needed]
        shared = [a.name for a in made if a.is_single]
        daily = [a.name for a in made if not a.is_single]
        board = Board(shared, daily, self.days)
        cells = [*((name, None) for name in shared)]
        cells += [(name, day) for day in self.days for name in daily]
        known = await asyncio.gather(*(stone.exists(*cell) for cell in cells))
        board.found(
            (name, "-" if day is None else day.isoformat())
            for (name, day), there in zip(cells, known, strict=True)
            if there
        )
        return board

    async def _follow(self, run: Run[BackfillReport], board: Board) -> BackfillReport:
        pause = max(_LOOK_EVERY, len(board.cells) / _CELLS_PER_SECOND)
        shown = Window if self.console.is_terminal else Ticker
        stall = _Stall(board)
        with shown(board, self.console) as view:
            ended = asyncio.ensure_future(run.result())
            try:
                while not ended.done():
                    await asyncio.wait({ended}, timeout=pause)
                    board.take(await run.events())
                    view.show()
                    for news in filter(None, (self.watch(), stall.look())):
                        view.say(news)
            finally:
                ended.cancel()
            return ended.result()

    async def _results(self, stone: Client) -> date:
        """Show the reports, and the lineage of the worst day's; give that day."""
        values = [await stone.value(daily_report, day) for day in self.days]
        reports = cast("list[DailyReport]", values)  # value() tells no type
        self._title("Reports")
        self.console.print(reports_table(reports, width=self.console.width))
        worst = max(reports, key=lambda report: report.cancelled).day
        self._title(
            f"Lineage of the report of {worst}, the day with most cancellations"
        )
        self.console.print(await lineage_tree(stone, daily_report.name, worst))
        return worst

    def _title(self, text: str) -> None:
        self._print(f"\n{text}\n", style="bold")

    def _print(self, text: str, *, style: str = "", soft_wrap: bool = False) -> None:
        self.console.print(
            text, style=style, highlight=False, markup=False, soft_wrap=soft_wrap
        )


class _Stall:
    """Says once that a run does not move; a lost worker is noticed sooner than that."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._told = False

    def look(self) -> str:
        if self._told or self._board.still < _STILL:
            return ""
        self._told = True
        return f"Nothing has moved for {_STILL} s. The worker's log may say why."


def _span(days: Sequence[date]) -> str:
    return f"{days[0]} to {days[-1]}" if len(days) > 1 else str(days[0])


def _verdict(before: Counter[str], after: Counter[str], progress: Progress) -> str:
    """Say in a sentence what this call did; the functions themselves have counted."""
    ran = (after - before).total()
    if not ran and not progress.made:
        return (
            f"All {progress.total} values were there: no asset function ran (they "
            f"count {before.total()} executions, as before), and no version was made."
        )
    found = progress.total - progress.made
    there = f", {found} were there" if found else ""
    return (
        f"{progress.made} of {progress.total} values were made{there}; asset functions "
        f"ran {ran} times, as they count themselves."
    )
