"""A run as people read it: the summary of a pack, the table of a run.

Both are made often, and of tables of any size: what they look at and what they say is
bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from flowstone.core.order import Order
from flowstone.core.state import RunState
from flowstone.core.table import State

__all__ = ["describe", "summary"]

_SUMMARY = 190
_ROWS = 60
_NAME, _NOTE = 80, 120
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
_GROUPS = tuple(
    re.compile(b"[" + bytes(states) + b"]")
    for states in (
        (State.RUNNING, State.SLEEPING, State.BUSY, State.WAITING),
        (State.FAILED,),
        (State.PENDING, State.READY),
        (State.MADE, State.REUSED, State.BYPASSED, State.BLOCKED, State.CANCELLED),
    )
)
"""What people look for first: what goes on, what broke, what is to come, the rest."""


def summary(state: RunState, order: Order) -> str:
    """Name what an order does: `raw → cleaned → report @ 2025-01-15`."""
    names = state.skeleton.names
    assets = list(dict.fromkeys(names[c % state.width] for c in order.cells))
    text = " → ".join(assets)
    if len(text) > _SUMMARY:
        first, last = _cut(assets[0], _NAME), _cut(assets[-1], _NAME)
        text = first if len(assets) == 1 else f"{first} → … → {last}"
        text += f" ({len(assets)} assets)" if len(assets) > 1 else ""
    gate = "gate of " if order.gates else ""
    return _cut(f"{gate}{text}{_keys(state, order)}", _SUMMARY)


def describe(state: RunState) -> str:
    """Say how things stand, as a table in Markdown."""
    counts = [(state.table.count(s), word) for s, word in _WORDS.items()]
    counts.sort(key=lambda count: -count[0])
    head = ", ".join(f"{n} {word}" for n, word in counts if n and word != _OUT)
    cells = list(islice(_cells(state), _ROWS))
    lines = [head, "", "| asset | state | |", "|---|---|---|"]
    lines += [_row(state, number) for number in cells]
    more = len(state.table) - state.table.count(State.OUT) - len(cells)
    if more:
        lines.append(f"| … {more} more | | |")
    return "\n".join(lines)


_OUT = _WORDS[State.OUT]


def _cells(state: RunState) -> Iterator[int]:
    for group in _GROUPS:
        for found in group.finditer(state.table):
            yield found.start()


def _row(state: RunState, number: int) -> str:
    name = _cut(state.skeleton.names[number % state.width], _NAME)
    several = state.count > 1 or state.first
    key = f" @ key {state.first + number // state.width}" if several else ""
    word = _WORDS[State(state.table[number])]
    note = _cut(" ".join(state.notes.get(number, "").split()), _NOTE)
    return f"| {name}{key} | {word} | {note.replace('|', '¦')} |"


def _keys(state: RunState, order: Order) -> str:
    if state.count == 1 and not state.first:
        return f" @ {state.request.key}" if state.request.key else ""
    numbers = [state.first + c // state.width for c in order.cells]
    first, last = min(numbers), max(numbers)
    return f" @ key {first}" if first == last else f" @ keys {first} to {last}"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
