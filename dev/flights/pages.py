"""What the demonstration prints: the reports as a table, a lineage as a tree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from dev.flights.pipeline import DailyReport
from flowstone import Client, Key

__all__ = ["lineage_tree", "reports_table"]

_NAME_WIDTH = 36


def reports_table(reports: Sequence[DailyReport]) -> RenderableType:
    """Show one day in each row."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for title in ("day", "flights", "cancelled", "diverted", "on time", "delay"):
        side = "left" if title == "day" else "right"
        table.add_column(title, justify=side, no_wrap=True)
    for title in ("worst airline", "worst route"):
        table.add_column(title, no_wrap=True)
    for title in ("wind", "visibility"):
        table.add_column(title, justify="right", no_wrap=True)
    for report in reports:
        table.add_row(
            report.day.isoformat(),
            str(report.flights),
            str(report.cancelled),
            str(report.diverted),
            _told(report.on_time, lambda share: f"{share:.0%}"),
            _told(report.delay, _minutes),
            _told(report.worst_airline, _worst),
            _told(report.worst_route, _worst),
            _told(report.wind, lambda mph: f"{mph:.0f} mph"),
            _told(report.visibility, lambda miles: f"{miles:g} mi"),
        )
    return table


def _told[T](value: T | None, word: Callable[[T], str]) -> str:
    return "-" if value is None else word(value)
