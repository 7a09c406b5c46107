"""The state of every asset of every day, and the board that shows it live."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import date

from rich.console import Console, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from flowstone.telemetry import Event

__all__ = ["Board", "Ticker", "Window"]

WAITS, THERE, RUNS, MADE, SKIPPED, FAILED = (
    "waits",
    "there already",
    "runs",
    "made",
    "skipped",
    "failed",
)
_MARKS = {
    WAITS: ("·", "dim"),
    THERE: ("=", "cyan"),
    RUNS: ("•", "yellow"),
    MADE: ("✓", "green"),
    SKIPPED: ("-", "dim"),
    FAILED: ("✗", "red"),
}
_DONE = {THERE, MADE, SKIPPED, FAILED}
_ENDS = {"produced": MADE, "skipped": SKIPPED, "upstream_failed": FAILED}
_ROWS = 14


class Board:
    """What is known of each asset at each key, as the run's events tell it.

    Args:
        shared: the assets that have one value for all days.
        daily: the assets of a day, in the order of the pipeline.
        days: the days asked for.
    """

    def __init__(
        self, shared: Sequence[str], daily: Sequence[str], days: Sequence[date]
    ) -> None:
        self.shared, self.daily, self.days = shared, daily, days
        keyed = [(asset, day.isoformat()) for day in days for asset in daily]
        cells = [*((asset, "-") for asset in shared), *keyed]
        self.cells = dict.fromkeys(cells, WAITS)
        self._began = self._moved = time.monotonic()
        self.seconds = 0.0

    def found(self, cells: Iterable[tuple[str, str]]) -> None:
        """Mark what was there before the run."""
        for cell in cells:
            self.cells[cell] = THERE

    def take(self, events: Iterable[Event]) -> None:
        """Play the run's events, from its first one to its latest."""
        before = dict(self.cells)
        for event in events:
            cell = (event.asset, event.key)
            if cell in self.cells and "materialization" in event.name:
                self.cells[cell] = _state(event)
        now = time.monotonic()
        self.seconds = now - self._began
        if self.cells != before:
            self._moved = now

    @property
    def still(self) -> float:
        """For how many seconds nothing has changed."""
        return time.monotonic() - self._moved

    def of(self, day: date) -> list[str]:
        """Give the states of a day's assets."""
        return [self.cells[asset, day.isoformat()] for asset in self.daily]

    def word(self, day: date) -> str:
        """Sum a day up."""
        states = self.of(day)
        for told in (FAILED, RUNS):
            if told in states:
                return told
        if set(states) <= _DONE:
            return states[-1]
        return WAITS if set(states) == {WAITS} else RUNS

    def is_done(self, day: date) -> bool:
        """Tell whether nothing of a day is left to do."""
        return set(self.of(day)) <= _DONE

    def summary(self) -> str:
        """Count the values by state: `12 made, 3 run, 30 wait, 2.1 s`."""
        states = list(self.cells.values())
        counts = [
            (s, states.count(s)) for s in (MADE, THERE, SKIPPED, FAILED, RUNS, WAITS)
        ]
        told = [f"{n} {_PLURAL.get(s, s)}" for s, n in counts if n]
        return f"{', '.join(told)}   {self.seconds:.1f} s"


_PLURAL = {RUNS: "running", WAITS: "waiting"}


def _state(event: Event) -> str:
    if event.name.endswith(".start"):
        return RUNS
    if event.name.endswith(".exception"):
        return FAILED
    return _ENDS.get(event.outcome, WAITS)


class Window:
    """The board on a terminal, kept up to date in its place.

    Args:
        board: what it shows.
        console: where.
    """

    def __init__(self, board: Board, console: Console) -> None:
        self._board = board
        self._live = Live(
            console=console, auto_refresh=False, get_renderable=self._draw
        )

    def __enter__(self) -> Window:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self) -> None:
        """Draw it anew."""
        self._live.refresh()

    def say(self, line: str) -> None:
        """Put a line above it."""
        self._live.console.print(line)

    def _draw(self) -> RenderableType:
        board = self._board
        table = Table(box=None, padding=(0, 2, 0, 0), caption_justify="left")
        table.add_column("", no_wrap=True)
        for asset in board.daily:
            table.add_column(asset.replace("_", " "), max_width=10, justify="center")
        table.add_column("")
        for day in _in_view(board):
            marks = [Text(*_MARKS[state]) for state in board.of(day)]
            table.add_row(day.isoformat(), *marks, board.word(day))
        shared = Text("   ").join(
            Text.assemble(asset, " ", _MARKS[board.cells[asset, "-"]])
            for asset in board.shared
        )
        page = Table.grid()
        for part in (table, "", shared, "", board.summary()):
            page.add_row(part)
        return page


def _in_view(board: Board) -> Sequence[date]:
    """Give the days that fit: around the first one that is not done."""
    done = [board.is_done(day) for day in board.days]
    at = done.index(False) if False in done else len(done)
    first = max(0, min(at - _ROWS // 2, len(done) - _ROWS))
    return board.days[first : first + _ROWS]


class Ticker:
    """The board where there is no terminal: a line for each day that is done.

    Args:
        board: what it tells.
        console: where.
    """

    def __init__(self, board: Board, console: Console) -> None:
        self._board, self._console = board, console
        self._told: set[date] = set()

    def __enter__(self) -> Ticker:
        return self

    def __exit__(self, *_: object) -> None:
        self.show()
        self.say(self._board.summary())

    def show(self) -> None:
        """Tell what has been done since."""
        board = self._board
        for day in board.days:
            if day not in self._told and board.is_done(day):
                self._told.add(day)
                so_far = f"{len(self._told)} of {len(board.days)} days"
                self.say(f"{day}  {board.word(day):15}{so_far}   {board.seconds:.1f} s")

    def say(self, line: str) -> None:
        """Print a line."""
        self._console.print(line, highlight=False)
