"""A run as people read it: the summary of a pack, the table of a run."""

from __future__ import annotations

from collections import Counter

from flowstone.core.state import Order, RunState
from flowstone.core.table import State

__all__ = ["describe", "summary"]

_SUMMARY_LENGTH = 190
_ROWS = 60
_WORDS = {
    State.PENDING: "waits for upstream",
    State.READY: "ready",
    State.RUNNING: "running",
    State.SLEEPING: "asleep",
    State.BUSY: "made by another run",
    State.WAITING: "waits for a signal",
    State.MADE: "made",
    State.REUSED: "there already",
    State.BYPASSED: "skipped",
    State.FAILED: "failed",
    State.BLOCKED: "upstream failed",
    State.CANCELLED: "cancelled",
    State.OUT: "made elsewhere",
}


def summary(state: RunState, order: Order) -> str:
    """Name what an order does: `raw → cleaned → report @ 2025-01-15`."""
    names = state.skeleton.names
    assets = list(dict.fromkeys(names[c % state.width] for c in order.cells))
    keys = {c // state.width for c in order.cells}
    text = " → ".join(assets)
    if len(text) > _SUMMARY_LENGTH:
        text = f"{assets[0]} → … → {assets[-1]} ({len(assets)} assets)"
    if order.gates:
        text = f"gate of {text}"
    if state.count > 1 or state.first:
        numbers = sorted(state.first + k for k in keys)
        span = f"{numbers[0]}" if len(numbers) == 1 else f"{numbers[0]}–{numbers[-1]}"
        return f"{text} @ key {span}"
    return f"{text} @ {state.request.key}" if state.request.key else text


def describe(state: RunState) -> str:
    """Say how things stand, as a table in Markdown."""
    counts = Counter(_WORDS[State(s)] for s in state.table if s != State.OUT)
    head = ", ".join(f"{n} {word}" for word, n in counts.most_common())
    lines = [head, "", "| asset | state | |", "|---|---|---|"]
    rows = [(c, State(s)) for c, s in enumerate(state.table) if s != State.OUT]
    rows.sort(key=lambda row: (row[1] >= State.MADE, row[0]))
    for number, what in rows[:_ROWS]:
        name = state.skeleton.names[number % state.width]
        key = f" @ key {state.first + number // state.width}" if state.count > 1 else ""
        note = state.notes.get(number, "")
        lines.append(f"| {name}{key} | {_WORDS[what]} | {note} |")
    if len(rows) > _ROWS:
        lines.append(f"| … {len(rows) - _ROWS} more | | |")
    return "\n".join(lines)
