"""How results are printed: a table for people, one object for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence

from dev.benchmarks.planning import Measure
from dev.benchmarks.size import ManyMade
from dev.benchmarks.stats import SLOWEST, Comparison, is_valid
from dev.benchmarks.values import Need
from dev.benchmarks.waiting import Answered

__all__ = [
    "as_json",
    "as_table",
    "sizes_as_json",
    "sizes_as_table",
    "values_as_json",
    "values_as_table",
    "waits_as_json",
    "waits_as_table",
]


def as_json(
    compared: Sequence[Comparison], measured: Sequence[Measure], raw_speed: float | None
) -> str:
    """Give one object, an entry for each line of the table."""
    data: dict[str, object] = {c.name: c.to_data() for c in compared}
    data |= {m.name: m.to_data() for m in measured}
    if raw_speed is not None:
        data["raw SDK"] = {
            "steps_per_second": round(raw_speed, 1),
            "valid": is_valid(raw_speed),
        }
    return json.dumps(data, indent=2)


def as_table(
    compared: Sequence[Comparison], measured: Sequence[Measure], raw_speed: float | None
) -> str:
    """Give a table; seconds are medians, the first round's in brackets."""
    blocks: list[list[str]] = []
    if compared:
        pairs = len(compared[0].ours.seconds)
        title = (
            f"Medians of {pairs} alternated pairs, in seconds (the first round, cold)"
        )
        blocks.append([title, *(_compared(c) for c in compared)])
    if measured:
        title = "On a clock, in seconds (the first time)"
        blocks.append([title, *(_measured(m) for m in measured)])
    if raw_speed is not None:
        blocks.append([_speed(raw_speed)])
    return "\n\n".join("\n".join(block) for block in blocks)


def values_as_json(compared: Sequence[Comparison], needed: Sequence[Need]) -> str:
    """Give one object, an entry for each line of the table."""
    data = {c.name: c.to_data() for c in compared}
    return json.dumps(data | {n.name: n.to_data() for n in needed}, indent=2)


def values_as_table(compared: Sequence[Comparison], needed: Sequence[Need]) -> str:
    """Give a table; seconds are medians, the first round's in brackets."""
    blocks = [as_table(compared, [], None)] if compared else []
    if needed:
        title = f"{needed[0].streamed} MiB as a stream, MiB of memory above idle"
        lines = (
            f"  {one.name:<28}{one.mib:7.1f}"
            f"{_judged(_target(one), reached=one.reached)}"
            for one in needed
        )
        blocks.append("\n".join([title, *lines]))
    return "\n\n".join(blocks)


def waits_as_json(beside: Comparison, answered: Answered) -> str:
    """Give one object, an entry for each part."""
    return json.dumps(
        {beside.name: beside.to_data(), "waiting/answered": answered.to_data()},
        indent=2,
    )


def waits_as_table(beside: Comparison, answered: Answered) -> str:
    """Give a table, and what became of the callbacks."""
    told = ", ".join(f"{n} times {what}" for what, n in sorted(answered.told.items()))
    lines = [
        f"{answered.gates} gates waited after {answered.parked} s",
        f"  {answered.deliveries} deliveries: {told}",
        f"  every run had ended {answered.seconds} s after the first of them",
        f"  {answered.lost} lost, {answered.doubled} made twice",
    ]
    throughput = f"  throughput {1 / beside.ratio:.2f} of what it is alone"
    return "\n".join([as_table([beside], [], None), throughput, "", *lines])


def sizes_as_json(made: Sequence[ManyMade], asked: Sequence[Measure]) -> str:
    """Give one object, an entry for each line of the table."""
    data = {m.name: m.to_data() for m in made} | {a.name: a.to_data() for a in asked}
    return json.dumps(data, indent=2)


def sizes_as_table(made: Sequence[ManyMade], asked: Sequence[Measure]) -> str:
    """Give a table; each run's histories were replayed, and its values compared."""
    blocks: list[str] = []
    if made:
        title = "Many assets in one run: seconds, MiB at most, what is on Temporal"
        blocks.append("\n".join([title, *(_made(one) for one in made)]))
    if asked:
        blocks.append(as_table([], asked, None))
    return "\n\n".join(blocks)


def _made(one: ManyMade) -> str:
    return (
        f"  {one.title:<34}{one.seconds:7.1f} s  "
        f"worker {one.worker_mib} MiB, client {one.client_mib} MiB  "
        f"{one.runs} runs, {one.events:,} events, the longest {one.longest:,}  "
        f"payload {one.payload:,} B, skeleton {one.skeleton:,} B"
    )


def _target(one: Need) -> float:
    return float(str(one.to_data()["target"]))


def _compared(one: Comparison) -> str:
    ours = f"{one.ours.median:7.3f} ({one.ours.cold:.3f})"
    theirs = f"{one.theirs.median:7.3f} ({one.theirs.cold:.3f})"
    return (
        f"  {one.title:<28}{ours:<18}{one.baseline:<9}{theirs:<18}"
        f"ratio {one.ratio:5.2f}{_judged(one.target, reached=one.reached)}"
    )


def _measured(one: Measure) -> str:
    cold = "" if one.cold is None else f" ({one.cold:.3f})"
    taken = f"{one.seconds:7.3f}{cold}"
    return f"  {one.title:<28}{taken:<18}{_judged(one.target, reached=one.reached)}"


def _judged(target: float | None, *, reached: bool | None) -> str:
    if target is None:
        return ""
    return f"  target {target:g}: {'reached' if reached else 'missed'}"


def _speed(raw_speed: float) -> str:
    said = f"The raw SDK's chain: {raw_speed:.0f} steps per second"
    if is_valid(raw_speed):
        return f"{said}; below {SLOWEST:.0f} nothing could be compared with it."
    return f"{said}, below {SLOWEST:.0f}: THE COMPARISON IS INVALID."
