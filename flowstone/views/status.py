"""How an asset stands at a key, in one word and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from flowstone.ledger.base import Version
from flowstone.ledger.deciding import approval_id
from flowstone.steps.toolbox import Toolbox

__all__ = ["AssetStatus", "StatusWord", "status_of"]


StatusWord = Literal[
    "never_run",
    "queued",
    "running",
    "waiting",
    "skipped",
    "failed",
    "cancelling",
    "cancelled",
    "stale",
    "fresh",
]

_ENDS: Mapping[str, StatusWord] = {
    "failed": "failed",
    "skipped": "skipped",
    "cancelled": "cancelled",
}
"""Ends of an attempt or a run that are how its asset stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetStatus:
    """How an asset stands at a key.

    Attributes:
        state: one word.
        reason: what it waits for, or why it failed or was skipped.
        version: the version that readers see now.
    """

    asset: str
    partition: str
    state: StatusWord
    reason: str = ""
    run_id: str | None = None
    version: str | None = None
    made_at: datetime | None = None
    millis: int | None = None


def status_of(toolbox: Toolbox, name: str, key: str) -> AssetStatus:
    """Judge how an asset stands: what is being done, then what there is."""
    catalog = toolbox.ledger.catalog
    asset = f"{toolbox.name}/{name}"
    version = catalog.version(asset, key)
    state, reason, run = _activity(toolbox, asset, name, key, version)
    return AssetStatus(
        asset=name,
        partition=key,
        state=state,
        reason=reason,
        run_id=run or (version.run if version else None),
        version=version.id if version else None,
        made_at=version.created_at if version else None,
        millis=version.millis if version and version.millis >= 0 else None,
    )


def _activity(
    toolbox: Toolbox, asset: str, name: str, key: str, version: Version | None
) -> tuple[StatusWord, str, str | None]:
    catalog = toolbox.ledger.catalog
    claim = catalog.claim(asset, key)
    if claim is not None:
        holder, gate = claim
        why = _waits_for(toolbox, gate) if gate else ""
        return "waiting" if gate else "running", why, holder
    run = catalog.last_run(toolbox.name, name, key)
    if run is not None and run.status in {"starting", "running"}:
        return "queued", "", run.id
    attempt = catalog.last_attempt(asset, key)
    if (
        attempt is not None
        and attempt.state in _ENDS
        and (version is None or attempt.at > version.created_at)
    ):
        return _ENDS[attempt.state], attempt.reason, attempt.run
    if version is not None:
        return "fresh", "", None
    if run is not None and run.status in _ENDS:
        reason = run.error.message if run.error else run.reason
        return _ENDS[run.status], reason, run.id
    return "never_run", "", None


def _waits_for(toolbox: Toolbox, gate: str) -> str:
    found = toolbox.ledger.gates.get(gate)
    if found is None or found.kind == "signal":
        return "a signal"
    by = f" by {found.escalated_to}" if found.escalated_to else ""
    said = f": {found.message}" if found.message else ""
    return f"approval {approval_id(found)}{by}{said}"
