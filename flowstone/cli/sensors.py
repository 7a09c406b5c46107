"""Sensors: see them, have them look, steer them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from flowstone.cli.ending import FAILED
from flowstone.cli.loading import load
from flowstone.cli.parameters import App, AsJson, Local
from flowstone.cli.session import ask
from flowstone.cli.show import done, emit, say, table

if TYPE_CHECKING:
    from flowstone.client import Client
    from flowstone.ledger.looks import SensorTick
    from flowstone.views import Preview, SensorStatus

__all__ = [
    "list_sensors",
    "pause_sensor",
    "preview_sensor",
    "resume_sensor",
    "show_ticks",
    "tick_sensor",
]

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="Its name.", show_default=False)
]
Reason = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help="Why; people see it.")
]
Limit = Annotated[int, typer.Option("--limit", min=1, help="How many at most.")]


def list_sensors(app: App, local: Local = None, as_json: AsJson = False) -> None:
    """List the app's sensors, with their last looks."""
    found = ask(load(app), local, lambda stone: stone.sensors.list())
    if as_json:
        emit([_status_data(status) for status in found])
        return
    table(
        ["sensor", "every", "state", "looked", "outcome", "started", "cursor"],
        [
            [
                status.name,
                status.every,
                _state(status),
                status.last.at if status.last else None,
                status.last.outcome if status.last else None,
                status.last.started if status.last else None,
                _cursor(status.cursor),
            ]
            for status in found
        ],
    )


def show_ticks(
    app: App,
    name: Name,
    limit: Limit = 20,
    local: Local = None,
    as_json: AsJson = False,
) -> None:
    """Show the last looks of a sensor, the newest first."""
    ticks = ask(load(app), local, lambda stone: stone.sensors.ticks(name, limit=limit))
    if as_json:
        emit([_tick_data(tick) for tick in ticks])
        return
    table(
        ["at", "outcome", "found", "started", "first run", "why"],
        [
            [
                tick.at,
                tick.outcome,
                tick.found,
                tick.started,
                tick.runs[0] if tick.runs else None,
                tick.why,
            ]
            for tick in ticks
        ],
    )


def tick_sensor(
    app: App, name: Name, local: Local = None, as_json: AsJson = False
) -> None:
    """Have a sensor look once, at once, and have what it finds be made."""

    async def look(stone: Client) -> SensorTick:
        tick = await stone.sensors.tick(name)
        if local is not None:
            # Runs of this process end with it: they are waited for.
            for run in tick.runs:
                await (await stone.runs.get(run)).wait()
        return tick

    tick = ask(load(app), local, look)
    if as_json:
        emit(_tick_data(tick))
    else:
        why = f": {tick.why}" if tick.why else ""
        say(f"{name}: {tick.outcome}, {tick.started} runs started{why}")
        for run in tick.runs:
            say(run)
    if tick.outcome == "failed":
        raise typer.Exit(FAILED)


def preview_sensor(
    app: App, name: Name, local: Local = None, as_json: AsJson = False
) -> None:
    """Say what a sensor would find now; nothing is recorded."""
    found = ask(load(app), local, lambda stone: stone.sensors.test(name))
    if as_json:
        emit(_preview_data(found))
        return
    why = f" ({found.skipped})" if found.skipped else ""
    say(f"{name}: {len(found.new)} new, {len(found.known)} known{why}")
    for new in found.new:
        say(new)


def pause_sensor(
    app: App, name: Name, reason: Reason = "", as_json: AsJson = False
) -> None:
    """Have a sensor not look until it is resumed."""
    ask(load(app), None, lambda stone: stone.sensors.pause(name, reason))
    done(name, "paused", as_json=as_json)


def resume_sensor(
    app: App, name: Name, reason: Reason = "", as_json: AsJson = False
) -> None:
    """Have a sensor look again."""
    ask(load(app), None, lambda stone: stone.sensors.resume(name, reason))
    done(name, "resumed", as_json=as_json)


def _state(status: SensorStatus) -> str:
    said = status.state.replace("_", " ")
    if status.state == "failing":
        return f"{said}: {status.error}"
    note = status.placed.note if status.placed and status.state == "paused" else ""
    return f"{said}: {note}" if note else said


def _cursor(cursor: object) -> str:
    text = json.dumps(cursor)
    return text if len(text) <= 40 else f"{text[:39]}…"


def _status_data(status: SensorStatus) -> dict[str, object]:
    return {
        "name": status.name,
        "every": status.every.total_seconds(),
        "state": status.state,
        "note": status.placed.note if status.placed else "",
        "cursor": status.cursor,
        "failures": status.failures,
        "error": status.error,
        "due_at": status.due_at,
        "last": _tick_data(status.last) if status.last else None,
    }


def _tick_data(tick: SensorTick) -> dict[str, object]:
    return {
        "tick": tick.id,
        "at": tick.at,
        "outcome": tick.outcome,
        "why": tick.why,
        "found": tick.found,
        "started": tick.started,
        "runs": list(tick.runs),
    }


def _preview_data(found: Preview) -> dict[str, object]:
    return {
        "new": list(found.new),
        "known": list(found.known),
        "cursor": found.cursor,
        "skipped": found.skipped,
    }
