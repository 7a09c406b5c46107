"""Answers: JSON, tables and sentences on stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import typer

__all__ = ["cell", "done", "emit", "say", "seconds", "table", "when"]


def emit(data: object) -> None:
    """Write one JSON value to stdout."""
    typer.echo(json.dumps(data, indent=2, default=_plain, ensure_ascii=False))


def say(text: str) -> None:
    """Write a sentence to stdout."""
    typer.echo(text)


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Write a table: drawn on a terminal, else in columns that programs can cut."""
    cells = [[_text(value) for value in row] for row in rows]
    if sys.stdout.isatty():
        _draw(heads, cells)
        return
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    for row in [[head.upper() for head in heads], *cells]:
        padded = (text.ljust(width) for text, width in zip(row, widths, strict=True))
        typer.echo("  ".join(padded).rstrip())


def cell(asset: str, partition: str | None) -> str:
    """Name an asset at a key as people read it."""
    return asset if partition in {None, "", "-"} else f"{asset} @ {partition}"


def when(moment: datetime | None) -> str:
    """Write an instant for people."""
    if moment is None:
        return "-"
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def seconds(start: datetime | None, end: datetime | None) -> str:
    """Write how long something took."""
    if start is None or end is None:
        return "-"
    taken = end - start
    if taken < timedelta(minutes=2):
        return f"{taken.total_seconds():.1f} s"
    return str(timedelta(seconds=round(taken.total_seconds())))


def _draw(heads: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(*heads, box=SIMPLE_HEAD, pad_edge=False)
    for row in cells:
        drawn.add_row(*(Text(text) for text in row))
    Console().print(drawn)


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return when(value)
    return "-" if value is None or value == "" else " ".join(str(value).split())


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def done(name: str, word: str, *, as_json: bool) -> None:
    """Say how something stands now, after what was done to it."""
    if as_json:
        emit({"name": name, "state": word})
    else:
        say(f"{name}: {word}")
