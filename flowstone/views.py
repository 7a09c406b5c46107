"""The nouns of the client that hold verbs of their own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from flowstone.core.asset import Asset
from flowstone.core.errors import NotSupported, RunClosed, UnknownRun, ValueNotFound
from flowstone.core.partition import PartitionKey
from flowstone.core.pipeline import AnyAsset
from flowstone.core.ref import Key
from flowstone.core.token import read_token
from flowstone.engines.ports import Backend
from flowstone.ledger.audit import AuditEntry
from flowstone.ledger.base import LIVE, Gate, RunRow, Version
from flowstone.ledger.lineage import LineageRow
from flowstone.run import Run
from flowstone.steps.toolbox import Toolbox

__all__ = [
    "AssetStatus",
    "Audit",
    "Gates",
    "Lineage",
    "LineageEntry",
    "Runs",
    "status_of",
]

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


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageEntry:
    """One version that another was made from, or that was made from it.

    Attributes:
        depth: how many steps away it is.
        current: whether readers see it now.
    """

    asset: str
    partition: Key | None
    version: str
    depth: int
    current: bool
    run_id: str
    code: str
    made_at: datetime


class Runs:
    """The runs of an app."""

    def __init__(self, toolbox: Toolbox, run_of: Callable[[RunRow], Run[Any]]) -> None:
        self._toolbox = toolbox
        self._run_of = run_of

    async def list(
        self,
        *,
        limit: int = 50,
        asset: AnyAsset | str | None = None,
        status: str = "",
    ) -> list[RunRow]:
        """Give the newest runs first."""
        name = asset.name if isinstance(asset, Asset) else asset or ""
        return await asyncio.to_thread(
            lambda: self._toolbox.ledger.runs.recent(
                self._toolbox.name, limit=limit, asset=name, status=status
            )
        )

    async def get(self, run_id: str) -> Run[Any]:
        """Give a run.

        Raises:
            UnknownRun: there is none of this id.
        """
        row = await asyncio.to_thread(self._toolbox.ledger.runs.get, run_id)
        if row is None or row.request.pipeline != self._toolbox.name:
            raise UnknownRun(run_id=run_id)
        return self._run_of(row)


class Lineage:
    """What made what, by exact versions."""

    def __init__(self, toolbox: Toolbox) -> None:
        self._toolbox = toolbox

    async def upstream(
        self,
        asset: AnyAsset | str,
        partition: Key | None = None,
        *,
        depth: int | None = None,
        version: str | None = None,
    ) -> list[LineageEntry]:
        """Give all that a value was made from, the nearest first.

        Args:
            asset: the asset, or its name.
            partition: its key.
            depth: how many steps to go at most.
            version: the version; by default the one that readers see now.

        Raises:
            ValueNotFound: there is no such value.
        """
        return await self._walk(asset, partition, depth, version, down=False)

    async def downstream(
        self,
        asset: AnyAsset | str,
        partition: Key | None = None,
        *,
        depth: int | None = None,
        version: str | None = None,
    ) -> list[LineageEntry]:
        """Give all that was made from a value, the nearest first."""
        return await self._walk(asset, partition, depth, version, down=True)

    async def impact(
        self,
        asset: AnyAsset | str,
        partition: Key | None = None,
        *,
        depth: int | None = None,
        version: str | None = None,
    ) -> list[LineageEntry]:
        """Give what readers see now that was made from a value."""
        found = await self._walk(asset, partition, depth, version, down=True)
        return [entry for entry in found if entry.current]

    async def why(self, *_: object, **__: object) -> object:
        """Refuse: explanations are not built yet."""
        raise NotSupported(what="lineage.why(...)")

    async def _walk(
        self,
        asset: AnyAsset | str,
        partition: Key | None,
        depth: int | None,
        version: str | None,
        *,
        down: bool,
    ) -> list[LineageEntry]:
        found = self._toolbox.pipeline[asset]
        key = PartitionKey.of(partition)
        self._toolbox.pipeline.check_key(found.name, key)
        return await asyncio.to_thread(
            self._rows, found.name, key.text, depth, version, down
        )

    def _rows(
        self, name: str, key: str, depth: int | None, version: str | None, down: bool
    ) -> list[LineageEntry]:
        catalog = self._toolbox.ledger.catalog
        here = catalog.version(f"{self._toolbox.name}/{name}", key, version)
        if here is None:
            raise ValueNotFound(asset=name, partition=key)
        rows = catalog.lineage(here.id, down=down, depth=depth)
        return [_entry(row) for row in rows]


class Gates:
    """Waits for an answer from outside."""

    def __init__(self, toolbox: Toolbox, backend: Backend, actor: str) -> None:
        self._toolbox = toolbox
        self._backend = backend
        self._actor = actor

    async def list(self) -> Sequence[Gate]:
        """Give the gates that wait, the oldest first."""
        gates = self._toolbox.ledger.gates
        return await asyncio.to_thread(gates.waiting, self._toolbox.name)

    async def signal(
        self,
        token: str | None = None,
        payload: object = None,
        *,
        key: str | None = None,
        asset: AnyAsset | str | None = None,
    ) -> None:
        """Answer a gate.

        An answer that comes before its gate opens is kept for it; the same answer
        twice is fine.

        Args:
            token: what `ctx.token` gave.
            payload: the answer, anything that is JSON.
            key: the outside world's id; not built yet.
            asset: whose `key` it is; not built yet.

        Raises:
            BadToken: the token is not one of this app's.
            AlreadyDecided: it was answered differently, or its deadline has passed.
            RunClosed: its run has ended.
        """
        if key is not None or asset is not None:
            raise NotSupported(what="gates.signal(key=...)", instead="Give the token.")
        gate = read_token(token or "", self._toolbox.keys)
        text = json.dumps(payload, sort_keys=True, default=_refuse)
        answered = await asyncio.to_thread(
            self._toolbox.ledger.gates.answer, gate, text, self._actor
        )
        if answered is not None and not await self._is_heard(answered):
            await self._close(answered)

    async def _is_heard(self, gate: Gate) -> bool:
        try:
            return await self._backend.ring(gate.workflow, gate.id)
        except Exception:  # noqa: BLE001 - it is decided, and the relay rings again
            return True

    async def _close(self, gate: Gate) -> None:
        """End the run of a gate whose workflow is gone, and say that it has ended."""
        runs, gates = self._toolbox.ledger.runs, self._toolbox.ledger.gates
        row = await asyncio.to_thread(runs.get, gate.run)
        if row is not None and row.status in LIVE:
            # Of another process on this machine, nobody here knows whether it lives.
            if row.owner != self._backend.owner or await self._backend.is_alive(row):
                return
            gone = "its workflow is gone"
            await asyncio.to_thread(
                lambda: self._toolbox.end(row, "terminated", reason=gone)
            )
        found = await asyncio.to_thread(gates.get, gate.id)
        if found is not None and found.state == "abandoned":
            raise RunClosed(run_id=gate.run, status="ended")


class Audit:
    """Who did what."""

    def __init__(self, toolbox: Toolbox) -> None:
        self._toolbox = toolbox

    async def list(self, *, limit: int = 100, subject: str = "") -> list[AuditEntry]:
        """Give the newest lines first."""
        catalog = self._toolbox.ledger.catalog
        return await asyncio.to_thread(
            lambda: catalog.audit(self._toolbox.name, limit=limit, subject=subject)
        )


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
        return ("waiting", "a signal", holder) if gate else ("running", "", holder)
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


def _entry(row: LineageRow) -> LineageEntry:
    version = row.version
    return LineageEntry(
        asset=version.asset.split("/", 1)[-1],
        partition=PartitionKey(version.key).value,
        version=version.id,
        depth=row.depth,
        current=row.current,
        run_id=version.run,
        code=version.code,
        made_at=version.created_at,
    )


def _refuse(value: object) -> object:
    raise TypeError(f"the payload has a {type(value).__name__}, which is not JSON")  # noqa: EM102
