"""A run as people read it: the summaries of its parts, and the table of how it stands.

Both are made often, and of tables of any size: what they look at and what they say is
bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from flowstone.core.messages import Shard, ShardEnded
from flowstone.core.order import Order
from flowstone.core.state import RunState
from flowstone.core.table import State

__all__ = ["describe", "describe_shards", "shard_summary", "summary"]

_SUMMARY = 190
_ROWS = 60
_NAME, _NOTE = 80, 120
_RULE = "|:---|:---|:---|"
_GAP = "\N{EM SPACE}"
"""Temporal's page leaves nothing between the columns of a table, and trims blanks."""
_WORDS = {
    State.PENDING: "waits for upstream",
    State.READY: "ready",
    State.RUNNING: "running",
    State.SLEEPING: "asleep",
    State.BUSY: "made by another run",
    State.WAITING: "waits for an answer",
    State.MADE: "made",
    State.REUSED: "there already",
    State.BYPASSED: "skipped",
    State.FAILED: "failed",
    State.BLOCKED: "upstream failed",
    State.CANCELLED: "cancelled",
    State.OUT: "made elsewhere",
}
_MARKS = {
    State.RUNNING: "▶ ",
    State.SLEEPING: "⏸ ",
    State.BUSY: "⏸ ",
    State.WAITING: "⏸ ",
    State.MADE: "✓ ",
    State.REUSED: "✓ ",
    State.FAILED: "✗ ",
    State.BLOCKED: "✗ ",
}
_DONE = (
    *(State.MADE, State.REUSED, State.BYPASSED),
    *(State.FAILED, State.BLOCKED, State.CANCELLED),
)
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
    return _cut(f"{gate}{text}{_keys(state, order)}{_attempt(state, order)}", _SUMMARY)


def describe(state: RunState) -> str:
    """Say how things stand, as a table in Markdown."""
    count = state.table.count
    known = len(state.table) - count(State.OUT)
    done = sum(count(s) for s in _DONE)
    counts = [(count(s), word) for s, word in _WORDS.items() if s != State.OUT]
    counts.sort(key=lambda found: -found[0])
    words = ", ".join(f"{n} {word}" for n, word in counts if n)
    cells = list(islice(_cells(state), _ROWS))
    head = f"**{done} of {known} done**: {words}"
    lines = [head, "", "| asset | state | |", _RULE]
    lines += [_row(state, number) for number in cells]
    if known > len(cells):
        lines.append(f"| … {known - len(cells)} more | | |")
    return "\n".join(lines)


def shard_summary(shard: Shard) -> str:
    """Name what a shard does: `report @ keys 1 to 500 of 2000`."""
    asset = _cut(shard.request.asset, _NAME)
    last = shard.first + shard.count
    return f"{asset}{_stretch(shard.first + 1, last, shard.request.keys)}"


def describe_shards(shards: Sequence[Shard], ended: Mapping[int, ShardEnded]) -> str:
    """Say how the shards of a backfill stand, as a table in Markdown."""
    done = sum(shard.count for shard in shards if shard.number in ended)
    total = sum(shard.count for shard in shards)
    failed = sum(found.failed for found in ended.values())
    head = f"**{done} of {total} keys done**" + (f": {failed} failed" if failed else "")
    lines = [head, "", "| keys | state | |", _RULE]
    for shard in shards:
        found = ended.get(shard.number)
        word = "▶ running" if found is None else "✓ ended"
        note = f"✗ {found.failed} failed" if found is not None and found.failed else ""
        keys = _span(shard.first + 1, shard.first + shard.count)
        lines.append(f"| {keys}{_GAP} | {word}{_GAP} | {note} |")
    return "\n".join(lines)


def _cells(state: RunState) -> Iterator[int]:
    for group in _GROUPS:
        for found in group.finditer(state.table):
            yield found.start()


def _row(state: RunState, number: int) -> str:
    name = _cut(state.skeleton.names[number % state.width], _NAME)
    several = state.count > 1 or state.first
    key = f" @ key {state.first + number // state.width + 1}" if several else ""
    found = State(state.table[number])
    word = f"{_MARKS.get(found, '')}{_WORDS[found]}"
    note = _cut(" ".join(state.notes.get(number, "").split()), _NOTE)
    return f"| {name}{key}{_GAP} | {word}{_GAP} | {note.replace('|', '¦')} |"


def _keys(state: RunState, order: Order) -> str:
    if state.count == 1 and not state.first:
        single = set(state.skeleton.single)
        keyless = all(c % state.width in single for c in order.cells)
        key = "" if keyless else state.request.key
        return f" @ {key}" if key else ""
    numbers = [state.first + c // state.width + 1 for c in order.cells]
    return _stretch(min(numbers), max(numbers), state.request.keys)


def _attempt(state: RunState, order: Order) -> str:
    """Tell which attempt it is, where an order asks one cell again."""
    if len(order.cells) != 1 or order.gates:
        return ""
    (number,) = order.cells
    attempt = state.cell(number).attempt
    return f", attempt {attempt}" if attempt > 1 else ""


def _stretch(first: int, last: int, total: int) -> str:
    return f" @ key{'s' * (last > first)} {_span(first, last)} of {total}"


def _span(first: int, last: int) -> str:
    return f"{first}" if first == last else f"{first} to {last}"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
