"""Schedules: apply them, see them, steer them."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from flowstone.cli.board import make_board
from flowstone.cli.ending import misuse
from flowstone.cli.live import follow
from flowstone.cli.loading import load
from flowstone.cli.outcomes import conclude, started_data
from flowstone.cli.parameters import App, AsJson, Local, NoWait, check_waits
from flowstone.cli.session import ask
from flowstone.cli.show import cell, done, emit, say, table, when
from flowstone.core.errors import UnknownSchedule
from flowstone.core.partition import PartitionKey

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from flowstone.app import Flowstone
    from flowstone.client import Client
    from flowstone.core.schedule import Overlap
    from flowstone.core.timetable import Applied, ScheduleStatus
    from flowstone.run import Outcome, Run

__all__ = [
    "apply_schedules",
    "backfill_schedule",
    "list_schedules",
    "pause_schedule",
    "resume_schedule",
    "trigger_schedule",
]

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="Its name.", show_default=False)
]
Reason = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help="Why; people see it.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")
]
At = Annotated[
    str | None,
    typer.Option(
        "--at",
        metavar="TIME",
        help="When it should have fired, as 2025-01-15T06:00; without a zone, in the "
        "schedule's. By default now.",
    ),
]
Start = Annotated[
    str, typer.Option("--from", metavar="TIME", help="From this time on, included.")
]
End = Annotated[
    str, typer.Option("--to", metavar="TIME", help="Until this time, included.")
]
OverlapWord = Annotated[
    str,
    typer.Option(
        "--overlap",
        metavar="WORD",
        help="buffer_all, buffer_one, skip, allow_all, cancel_other, terminate_other.",
    ),
]


def apply_schedules(app: App, dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Have Temporal agree with what the app declares, sensors included."""
    applied = ask(load(app), None, lambda stone: stone.schedules.apply(dry_run=dry_run))
    if as_json:
        emit(_applied_data(applied))
    else:
        say(str(applied))


def list_schedules(app: App, local: Local = None, as_json: AsJson = False) -> None:
    """List the app's schedules, with their next fires."""
    found = ask(load(app), local, lambda stone: stone.schedules.list())
    if as_json:
        emit([_status_data(status) for status in found])
        return
    table(
        ["schedule", "asset", "cron", "zone", "state", "next", "last run"],
        [
            [
                status.name,
                status.asset,
                status.cron,
                status.timezone,
                _state(status),
                status.next[0] if status.next else None,
                status.runs[0] if status.runs else None,
            ]
            for status in found
        ],
    )


def pause_schedule(
    app: App, name: Name, reason: Reason = "", as_json: AsJson = False
) -> None:
    """Have a schedule not fire until it is resumed."""
    ask(load(app), None, lambda stone: stone.schedules.pause(name, reason))
    done(name, "paused", as_json=as_json)


def resume_schedule(
    app: App, name: Name, reason: Reason = "", as_json: AsJson = False
) -> None:
    """Have a schedule fire again."""
    ask(load(app), None, lambda stone: stone.schedules.resume(name, reason))
    done(name, "resumed", as_json=as_json)


def trigger_schedule(
    app: App,
    name: Name,
    at: At = None,
    local: Local = None,
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Make at once what a schedule makes at a time, and follow its run."""
    check_waits(no_wait=no_wait, local=local)
    owner = load(app)
    when_ = None if at is None else _time(at, _zone(owner, name), "--at")

    async def make(stone: Client) -> tuple[Run[Any], Outcome | None, object]:
        run = await stone.schedules.trigger(name, at=when_)
        if no_wait:
            return run, None, started_data(run, await run.status())
        where = cell(run.asset, PartitionKey.of(run.partition).text)
        board = make_board(where, quiet=as_json)
        outcome = await follow(run, board, app=app, local=local is not None)
        return run, outcome, None

    run, outcome, found = ask(owner, local, make)
    if outcome is not None:
        conclude(run, outcome, as_json=as_json)
    elif as_json:
        emit(found)
    else:
        say(run.id)


def backfill_schedule(
    app: App,
    name: Name,
    start: Start,
    end: End,
    overlap: OverlapWord = "buffer_all",
    as_json: AsJson = False,
) -> None:
    """Have a schedule fire for each of its times in a stretch that has passed."""
    owner = load(app)
    zone = _zone(owner, name)
    first, last = _time(start, zone, "--from"), _time(end, zone, "--to")
    word = cast("Overlap", overlap)  # the client refuses others
    fires = ask(
        owner,
        None,
        lambda stone: stone.schedules.backfill(name, first, last, overlap=word),
    )
    if as_json:
        emit({"name": name, "fires": fires})
        return
    say(f"{name}: {len(fires)} fires")
    for fire in fires:
        say(when(fire))


def _zone(app: Flowstone, name: str) -> ZoneInfo:
    found = next((s for s in app.schedules if s.name == name), None)
    if found is None:
        raise UnknownSchedule(name=name)
    return found.zone


def _time(text: str, zone: ZoneInfo, option: str) -> datetime:
    try:
        if len(text) == len("2025-01-15"):
            return datetime.combine(date.fromisoformat(text), time(0), zone)
        found = datetime.fromisoformat(text)
    except ValueError as error:
        what = f"{text!r} is no time, as 2025-01-15T06:00"
        raise misuse(what, option) from error
    return found if found.tzinfo else found.replace(tzinfo=zone)


def _state(status: ScheduleStatus) -> str:
    note = status.placed.note if status.placed and status.paused else ""
    return f"{status.state}: {note}" if note else status.state.replace("_", " ")


def _applied_data(applied: Applied) -> dict[str, object]:
    return {
        "dry_run": applied.dry_run,
        "changes": [
            {"kind": c.kind, "what": c.what, "name": c.name, "fields": list(c.fields)}
            for c in applied.changes
        ],
        "warnings": list(applied.warnings),
        "left": list(applied.left),
    }


def _status_data(status: ScheduleStatus) -> dict[str, object]:
    placed = status.placed
    return {
        "name": status.name,
        "asset": status.asset,
        "cron": status.cron,
        "timezone": status.timezone,
        "overlap": status.overlap,
        "state": status.state,
        "note": placed.note if placed else "",
        "next": list(status.next),
        "runs": list(status.runs),
        "fired": placed.fired if placed else 0,
        "skipped": placed.skipped if placed else 0,
        "missed": placed.missed if placed else 0,
    }
