"""What the demonstration prints: the reports as a table, a lineage as a tree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import TypeVar

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from dev.flights.pipeline import DailyReport
from flowstone import Client, Key

__all__ = ["lineage_tree", "reports_table"]

T = TypeVar("T")

_FIRST_TO_GO = ("visibility", "wind", "diverted", "worst route", "worst airline")
_WORDS = {"day", "worst airline", "worst route"}
_NAME_WIDTH = 29
_GUIDE_WIDTH = 4


def reports_table(reports: Sequence[DailyReport], *, width: int) -> RenderableType:
    """Show the reports, a day in each row, with as many columns as have room."""
    columns = {
        "day": [report.day.isoformat() for report in reports],
        "flights": [str(report.flights) for report in reports],
        "cancelled": [str(report.cancelled) for report in reports],
        "diverted": [str(report.diverted) for report in reports],
        "on time": [_told(r.on_time, lambda share: f"{share:.0%}") for r in reports],
        "delay": [_told(r.delay, lambda mean: f"{mean:+.0f} min") for r in reports],
        "worst airline": [_told(r.worst_airline, _worst) for r in reports],
        "worst route": [_told(r.worst_route, _worst) for r in reports],
        "wind": [_told(r.wind, lambda mph: f"{mph:.0f} mph") for r in reports],
        "visibility": [_told(r.visibility, lambda mi: f"{mi:g} mi") for r in reports],
    }
    for title in _FIRST_TO_GO:
        if sum(max(map(len, [t, *cells])) + 2 for t, cells in columns.items()) > width:
            del columns[title]
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for title in columns:
        side = "left" if title in _WORDS else "right"
        table.add_column(title, justify=side, no_wrap=True)
    for row in zip(*columns.values(), strict=True):
        table.add_row(*row)
    return table


def _told(value: T | None, word: Callable[[T], str]) -> str:
    return "-" if value is None else word(value)


def _worst(named: tuple[str, float]) -> str:
    name, delay = named
    return f"{_without_form(name)} {delay:+.0f}"


def _without_form(name: str) -> str:
    """Leave out what kind of company it is: the column is narrow."""
    for form in (" Inc.", " Co.", " Corporation"):
        name = name.removesuffix(form)
    return name


async def lineage_tree(stone: Client, asset: str, day: date) -> RenderableType:
    """Show the exact versions that a value was made from, down to its sources.

    What is read by several is opened where it comes first, and only named after that.
    """
    status = await stone.status(asset, day)
    shown: set[str] = set()

    async def grow(
        at: Tree, name: str, key: Key | None, version: str, level: int
    ) -> None:
        made_of = await stone.lineage.upstream(name, key, depth=1, version=version)
        if version in shown and made_of:
            at.add(_label(name, key, "as above", level))
            return
        shown.add(version)
        branch = at.add(_label(name, key, version, level))
        for entry in made_of:
            found = (entry.asset, entry.partition, entry.version)
            await grow(branch, *found, level + 1)

    head = f"{'asset':{_NAME_WIDTH}}{'day':12}version"
    root = Tree(Text(head, "bold"), guide_style="dim", hide_root=False)
    await grow(root, asset, day, status.version or "", 1)
    return root


def _label(name: str, key: Key | None, what: str, level: int) -> Text:
    width = _NAME_WIDTH - _GUIDE_WIDTH * level
    where = "-" if key is None else str(key)
    return Text.assemble(f"{name:{width}}", (f"{where:12}", "cyan"), (what, "dim"))
