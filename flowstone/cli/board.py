"""Where people see how far a run is: a bar on a terminal, lines elsewhere, on stderr."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Protocol, Self

import typer

if TYPE_CHECKING:
    from flowstone.run import Progress

__all__ = ["Board", "counts", "make_board"]

_LINE_EVERY = 2.0
_WORDS = {
    "made": "made",
    "reused": "there already",
    "skipped": "skipped",
    "failed": "failed",
    "cancelled": "cancelled",
    "running": "running",
    "waiting": "waiting for a signal",
}


class Board(Protocol):
    """Where people see how far a run is."""

    def __enter__(self) -> Self:
        """Begin to show."""
        ...

    def __exit__(self, *_: object) -> None:
        """Leave no trace but what was said."""
        ...

    def show(self, progress: Progress) -> None:
        """Show how far it is."""
        ...

    def say(self, text: str) -> None:
        """Say something that stays."""
        ...


def make_board(title: str, *, quiet: bool) -> Board:
    """Give the board for what stderr is; without a terminal, `quiet` silences it."""
    if sys.stderr.isatty():
        return _Bar(title)
    return _Nothing() if quiet else _Lines(title)


def counts(progress: Progress) -> str:
    """Say how a run's cells stand: `2 made, 1 there already`."""
    found = [(getattr(progress, name), word) for name, word in _WORDS.items()]
    said = ", ".join(f"{n} {word}" for n, word in found if n)
    return said if said or not progress.total else f"{progress.total} to make"


class _Nothing:
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing."""

    def show(self, progress: Progress) -> None:
        """Show nothing."""

    def say(self, text: str) -> None:
        """Say nothing."""


class _Lines(_Nothing):
    """Writes a line when something has changed, and not too often."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._said = ""
        self._next = time.monotonic() + _LINE_EVERY

    def show(self, progress: Progress) -> None:
        """Write how far it is."""
        note = f"; {progress.note}" if progress.note else ""
        now = f"{self._title}: {_done(progress)} of {progress.total}{note}"
        if now != self._said and time.monotonic() > self._next and progress.total:
            self._next = time.monotonic() + _LINE_EVERY
            self._said = now
            self.say(now)

    def say(self, text: str) -> None:
        """Write a line."""
        typer.echo(text, err=True)


class _Bar(_Nothing):
    """Draws a bar, with counts and the time."""

    def __init__(self, title: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars

        self._bars = Bars(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            TextColumn("{task.completed}/{task.total}", markup=False),
            TextColumn("{task.fields[words]}", markup=False),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bars.add_task(title, total=None, words="")

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def show(self, progress: Progress) -> None:
        """Move the bar."""
        self._bars.update(
            self._task,
            total=progress.total or None,
            completed=_done(progress),
            words=progress.note or counts(progress),
        )

    def say(self, text: str) -> None:
        """Write a line above the bar."""
        self._bars.console.print(text, markup=False, highlight=False, soft_wrap=True)


def _done(progress: Progress) -> int:
    return progress.total - progress.pending - progress.running - progress.waiting
