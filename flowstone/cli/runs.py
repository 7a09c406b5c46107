"""Runs: see them, wait for them, stop them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from flowstone.cli.board import make_board
from flowstone.cli.ending import error_data
from flowstone.cli.keys import text_of
from flowstone.cli.live import follow
from flowstone.cli.loading import load
from flowstone.cli.outcomes import conclude, ended_data, progress_data, started_data
from flowstone.cli.parameters import App, AsJson, Local, RunId
from flowstone.cli.session import ask
from flowstone.cli.show import cell, emit, say, seconds, table, when
from flowstone.core.errors import RunClosed

if TYPE_CHECKING:
    from flowstone.client import Client
    from flowstone.core.events import Event
    from flowstone.ledger.base import RunRow
    from flowstone.run import Outcome, Run

__all__ = ["cancel_run", "list_runs", "show_events", "show_run", "wait_for_run"]

_LIVE = {"starting", "running"}

Limit = Annotated[int, typer.Option("--limit", min=1, help="How many at most.")]
OfAsset = Annotated[
    str | None, typer.Option("--asset", metavar="NAME", help="Of this asset only.")
]
OfStatus = Annotated[
    str | None,
    typer.Option(
        "--status", metavar="WORD", help="Only running, succeeded, failed, ..."
    ),
]


def list_runs(
    app: App,
    limit: Limit = 20,
    asset: OfAsset = None,
    status: OfStatus = None,
    local: Local = None,
    as_json: AsJson = False,
) -> None:
    """List runs, the newest first."""
    owner = load(app)
    if asset is not None:
        asset = owner.pipeline[asset].name
    rows = ask(
        owner,
        local,
        lambda stone: stone.runs.list(limit=limit, asset=asset, status=status or ""),
    )
    if as_json:
        emit([_row_data(row) for row in rows])
        return
    table(
        ["run", "verb", "asset", "partition", "status", "started", "took"],
        [
            [
                row.id,
                row.request.verb,
                row.request.asset,
                _keys(row),
                row.status,
                row.created_at,
                seconds(row.started_at, row.ended_at),
            ]
            for row in rows
        ],
    )


def show_run(
    app: App, run: RunId, local: Local = None, as_json: AsJson = False
) -> None:
    """Show how a run stands, who asked for it, and why it failed."""

    async def look(stone: Client) -> dict[str, object]:
        found = await stone.runs.get(run)
        return {**await _state(found), **await _asked(stone, run)}

    data = ask(load(app), local, look)
    if as_json:
        emit(data)
        return
    for name, value in _facts(data):
        say(f"{name:<10}{'-' if value in {None, ''} else value}")


def show_events(
    app: App, run: RunId, local: Local = None, as_json: AsJson = False
) -> None:
    """Show what happened in a run, in order."""

    async def look(stone: Client) -> list[Event]:
        return await (await stone.runs.get(run)).events()

    events = ask(load(app), local, look)
    if as_json:
        emit([_event_data(event) for event in events])
        return
    table(
        ["at", "event", "asset", "partition", "outcome"],
        [
            [event.at, event.name, event.asset, event.key, event.outcome]
            for event in events
        ],
    )


def cancel_run(app: App, run: RunId, as_json: AsJson = False) -> None:
    """Ask a run on Temporal to stop; `runs wait` tells when it has."""

    async def cancel(stone: Client) -> dict[str, object]:
        found = await stone.runs.get(run)
        status = await found.status()
        if status not in _LIVE:
            raise RunClosed(run_id=run, status=status)
        await found.cancel()
        return started_data(found, "cancelling")

    data = ask(load(app), None, cancel)
    if as_json:
        emit(data)
    else:
        say(f"run {run}: cancelling")


def wait_for_run(app: App, run: RunId, as_json: AsJson = False) -> None:
    """Follow a run on Temporal until it ends; the exit status is 1 where it failed."""

    async def wait(stone: Client) -> tuple[Run[Any], Outcome]:
        found = await stone.runs.get(run)
        title = cell(found.asset, text_of(found.partition))
        board = make_board(title, quiet=as_json)
        return found, await follow(found, board, app=app, local=False)

    found, outcome = ask(load(app), None, wait)
    conclude(found, outcome, as_json=as_json)


async def _state(run: Run[Any]) -> dict[str, object]:
    status = await run.status()
    if status not in _LIVE:
        return ended_data(run, await run.wait())
    return {
        **started_data(run, status),
        "started_at": None,
        "ended_at": None,
        "progress": progress_data(await run.progress()),
        "error": None,
    }


async def _asked(stone: Client, run: str) -> dict[str, object]:
    lines = await stone.audit.list(subject=run)
    asked = next((line for line in lines if line.action == "run.start"), None)
    if asked is None:
        return {"verb": None, "actor": None, "asked_at": None}
    verb = json.loads(asked.data).get("verb")
    return {"verb": verb, "actor": asked.actor, "asked_at": asked.at}


def _facts(data: Mapping[str, object]) -> list[tuple[str, object]]:
    progress = cast("Mapping[str, object]", data["progress"])
    cells = [f"{n} {word}" for word, n in progress.items() if n and word != "note"]
    error = cast("Mapping[str, object]", data["error"] or {})
    return [
        ("run", data["run_id"]),
        ("asset", data["asset"]),
        ("partition", data["partition"]),
        ("status", data["status"]),
        ("why", " ".join(str(error.get("message") or progress["note"]).split())),
        ("cells", ", ".join(cells)),
        ("asked", f"{data['verb']} by {data['actor']}"),
        ("started", when(cast("datetime | None", data["started_at"]))),
        ("ended", when(cast("datetime | None", data["ended_at"]))),
        ("page", data["url"]),
    ]


def _row_data(row: RunRow) -> dict[str, object]:
    return {
        "run_id": row.id,
        "verb": row.request.verb,
        "asset": row.request.asset,
        "partition": row.request.key or None,
        "partitions": len(row.keys),
        "policy": row.request.policy,
        "status": row.status,
        "actor": row.actor,
        "created_at": row.created_at,
        "started_at": row.started_at,
        "ended_at": row.ended_at,
        "error": None if row.error is None else error_data(row.error),
    }


def _event_data(event: Event) -> dict[str, object]:
    return {
        "at": event.at,
        "name": event.name,
        "asset": event.asset,
        "partition": None if event.key in {"", "-"} else event.key,
        "outcome": event.outcome or None,
        "data": dict(event.data),
    }


def _keys(row: RunRow) -> str:
    return (
        f"{len(row.keys)} keys" if row.request.verb == "backfill" else row.request.key
    )
