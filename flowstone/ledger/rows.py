"""Rows to records and back, in one place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any, cast

from sqlalchemy import RowMapping

from flowstone.core.errors import FlowstoneError, from_data
from flowstone.core.events import Event, of_kind
from flowstone.core.messages import Request
from flowstone.ledger.base import Gate, RunRow, Version

__all__ = [
    "dump",
    "error_of",
    "error_text",
    "event_of",
    "event_row",
    "gate_of",
    "load",
    "run_of",
    "run_row",
    "version_of",
]


_COMPACT = json.JSONEncoder(separators=(",", ":"), default=str)


def dump(data: object) -> str:
    """Give compact JSON."""
    return _COMPACT.encode(data)


def load(text: str) -> dict[str, object]:
    """Read a JSON object."""
    return json.loads(text) if text else {}


def error_text(error: FlowstoneError | None) -> str | None:
    """Write an error down."""
    return None if error is None else dump(error.to_data())


def error_of(text: str | None) -> FlowstoneError | None:
    """Read an error."""
    return from_data(load(text)) if text else None


def run_row(run: RunRow, at: datetime) -> dict[str, object]:
    """Give the columns of a run."""
    request = run.request
    return {
        "id": request.run,
        "pipeline": request.pipeline,
        "workflow": run.workflow,
        "verb": request.verb,
        "asset": request.asset,
        "key": request.key or "-",
        "keys": dump(list(run.keys)),
        "request": dump(asdict(request)),
        "request_hash": run.request_hash,
        "user_key": run.user_key,
        "actor": run.actor,
        "owner": run.owner,
        "status": run.status,
        "reason": run.reason,
        "created_at": at,
    }


def run_of(row: Mapping[Any, Any]) -> RunRow:
    """Give the run that a row has."""
    data = _columns(row)
    known = {f.name for f in fields(Request)}
    request = {k: v for k, v in load(str(data["request"])).items() if k in known}
    return RunRow(
        request=Request(**request),  # pyright: ignore[reportArgumentType]
        workflow=str(data["workflow"]),
        keys=json.loads(str(data["keys"])),
        request_hash=str(data["request_hash"]),
        user_key=cast("str | None", data["user_key"]),
        actor=str(data["actor"]),
        owner=str(data["owner"]),
        status=str(data["status"]),
        reason=str(data["reason"]),
        plan=cast("str | None", data["plan"]),
        error=error_of(cast("str | None", data["error"])),
        created_at=cast("datetime", data["created_at"]),
        started_at=cast("datetime | None", data["started_at"]),
        ended_at=cast("datetime | None", data["ended_at"]),
    )


def version_of(row: Mapping[Any, Any]) -> Version:
    """Give the version that a row has."""
    data = _columns(row)
    names = {f.name for f in fields(Version)}
    kept = {k: v for k, v in data.items() if k in names}
    kept["facts"] = load(str(data["facts"]))
    kept["metadata"] = load(str(data["metadata"]))
    return Version(**kept)  # pyright: ignore[reportArgumentType]


def gate_of(row: RowMapping) -> Gate:
    """Give the gate that a row has."""
    data = _columns(row)
    data["reminders"] = json.loads(str(data["reminders"]) or "[]")
    names = {f.name for f in fields(Gate)}
    return Gate(**{k: v for k, v in data.items() if k in names})  # pyright: ignore[reportArgumentType]


def event_of(row: RowMapping) -> Event:
    """Give the event that a row has."""
    data = _columns(row)
    written = Event(
        name=str(data["name"]),
        asset=str(data["asset"]),
        key=str(data["key"]),
        run=str(data["run"]),
        outcome=str(data["outcome"]),
        at=cast("datetime", data["at"]),
        extra=load(str(data["data"])),
    )
    return of_kind(written)


def event_row(event: Event, at: datetime) -> dict[str, object]:
    """Give the columns of an event."""
    return {
        "at": event.at or at,
        "run": event.run,
        "name": event.name,
        "asset": event.asset,
        "key": event.key,
        "outcome": event.outcome,
        "data": dump(event.data),
    }


def _columns(row: Mapping[Any, Any]) -> dict[str, object]:
    """Give the columns of a row by their names."""
    return dict(row)
