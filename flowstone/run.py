"""A run: something that was started, and can be waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar, cast

from flowstone.core.errors import (
    FlowstoneError,
    NotSupported,
    RunCancelled,
    RunError,
    UnknownRun,
    ValueNotFound,
)
from flowstone.core.events import Event
from flowstone.core.partition import PartitionKey
from flowstone.core.ref import Key
from flowstone.core.table import State
from flowstone.engines.ports import Backend
from flowstone.ledger.base import RunRow
from flowstone.ledger.patience import patiently
from flowstone.ledger.rows import error_of
from flowstone.steps.shelf import stored_of
from flowstone.steps.toolbox import Toolbox

__all__ = ["BackfillReport", "Outcome", "Progress", "Run"]

T_co = TypeVar("T_co", covariant=True)

_LIVE = {"starting", "running"}
_POLL, _LONGEST_POLL = 0.05, 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is, in cells: one asset at one key each.

    Attributes:
        total: how many cells it has; 0 until it is planned.
        made: made by it.
        reused: there before, and as good.
        skipped: that made nothing this time.
        failed: that failed, or whose upstream did.
        running: with a worker now.
        pending: all others.
        note: what it waits for, where somebody said so.
    """

    total: int = 0
    made: int = 0
    reused: int = 0
    skipped: int = 0
    failed: int = 0
    cancelled: int = 0
    running: int = 0
    waiting: int = 0
    note: str = ""

    @property
    def pending(self) -> int:
        """Cells that nobody has begun."""
        settled = self.made + self.reused + self.skipped + self.failed + self.cancelled
        return max(self.total - settled - self.running - self.waiting, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended.

    Attributes:
        status: `succeeded`, `skipped`, `failed`, `cancelled` or `terminated`.
        error: why, where it failed.
        progress: its cells.
    """

    run_id: str
    status: str
    error: FlowstoneError | None
    progress: Progress
    started_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillReport:
    """What became of each partition of a backfill, judged by its target.

    Attributes:
        outcomes: for each partition `made`, `reused`, `skipped`, `failed` or
            `cancelled`.
        errors: why, for each that failed.
    """

    run_id: str
    outcomes: Mapping[Key, str]
    errors: Mapping[Key, FlowstoneError]

    def _count(self, *words: str) -> int:
        return sum(1 for outcome in self.outcomes.values() if outcome in words)

    @property
    def succeeded(self) -> int:
        """How many were made."""
        return self._count("made")

    @property
    def skipped(self) -> int:
        """How many were there already, or made nothing this time."""
        return self._count("reused", "skipped")

    @property
    def failed(self) -> int:
        """How many failed."""
        return self._count("failed")

    @property
    def cancelled(self) -> int:
        """How many were not attempted, because the backfill was stopped."""
        return self._count("cancelled")


class Run(Generic[T_co]):
    """Something that was started.

    Attributes:
        id: its id.
        asset: the asset that was asked for.
        partition: its key.
    """

    def __init__(self, toolbox: Toolbox, backend: Backend, row: RunRow) -> None:
        self.id = row.id
        self.asset = row.request.asset
        self.partition = PartitionKey(row.request.key or "-").value
        self._toolbox = toolbox
        self._backend = backend
        self._row = row

    def __repr__(self) -> str:
        return f"<run {self.id} of {self.asset!r}>"

    @property
    def url(self) -> str | None:
        """The page on which people follow it, where there is one."""
        return self._backend.url(self._row)

    async def wait(self) -> Outcome:
        """Wait until it has ended, however it does."""
        await self._begun()
        await self._backend.wait(self._row)
        row = await self._ended()
        return Outcome(
            run_id=self.id,
            status=row.status,
            error=row.error or _why(row),
            progress=await asyncio.to_thread(patiently, self._progress, row),
            started_at=row.started_at,
            ended_at=row.ended_at,
        )

    async def _begun(self) -> None:
        """Wait until what a sensor has found is started: a worker does that soon."""
        pause = _POLL
        while self._row.request.sensor and await self._is_to_start():
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_POLL)

    async def _is_to_start(self) -> bool:
        if (await self._read()).status != "starting":
            return False
        return not await self._backend.is_alive(self._row)

    async def _ended(self) -> RunRow:
        """Read the row of a run whose workflow has ended; write the end it lacks."""
        row = await self._read()
        for _ in range(20):
            if row.status not in _LIVE:
                return row
            if not await self._backend.is_alive(self._row):
                break
            await asyncio.sleep(_POLL)
            row = await self._read()
        row = await self._read()
        if row.status in _LIVE:
            # Its workflow was ended by hand, or its process died.
            await asyncio.to_thread(
                patiently,
                self._toolbox.end,
                row,
                "terminated",
                reason="its workflow was ended from outside",
            )
            row = await self._read()
        return row

    async def _read(self) -> RunRow:
        row = await asyncio.to_thread(patiently, self._toolbox.ledger.runs.get, self.id)
        if row is None:
            raise UnknownRun(run_id=self.id)
        return row

    async def result(self) -> T_co:
        """Wait for it, and load its value.

        Returns:
            The asset's value; of a backfill, its `BackfillReport`.

        Raises:
            RunError: it failed, or was cancelled; its class says how.
            ValueNotFound: it ended without a value, because it was skipped.
        """
        outcome = await self.wait()
        if self._row.request.verb == "backfill":
            if outcome.status in {"succeeded", "failed", "skipped"}:
                report = await asyncio.to_thread(patiently, self._report)
                if report.failed or outcome.status != "failed":
                    return cast("T_co", report)
            raise _error(outcome)
        if outcome.status == "skipped":
            reason = await asyncio.to_thread(patiently, self._skip_reason)
            raise ValueNotFound(
                asset=self.asset,
                partition=self._row.request.key or "-",
                reason=f"It was skipped{': ' + reason if reason else ''}.",
            )
        if outcome.status != "succeeded":
            raise _error(outcome)
        return cast("T_co", await asyncio.to_thread(patiently, self._load))

    def _load(self) -> object:
        job = self._toolbox.job(self.id)
        assert job is not None
        catalog = self._toolbox.ledger.catalog
        version = catalog.made_by(self.id, job.plan.target, 0)
        if version is None:
            raise ValueNotFound(
                asset=self.asset, partition=self._row.request.key or "-"
            )
        asset = self._toolbox.pipeline.assets[self.asset]
        return self._toolbox.io[version.io].load(
            stored_of(version), asset.hints.returns
        )

    def _skip_reason(self) -> str:
        nodes = self._toolbox.ledger.runs.nodes(self.id)
        return next((reason for *_, reason, _ in nodes if reason), "")

    def _report(self) -> BackfillReport:
        job = self._toolbox.job(self.id)
        if job is None:
            raise RunError(reason="it ended before it was planned", run_id=self.id)
        words = {
            State.MADE: "made",
            State.REUSED: "reused",
            State.BYPASSED: "skipped",
            State.FAILED: "failed",
            State.BLOCKED: "failed",
        }
        outcomes = dict.fromkeys(range(len(job.run.keys)), "cancelled")
        errors: dict[int, FlowstoneError] = {}
        for node, key, state, _, _, error in self._toolbox.ledger.runs.nodes(self.id):
            if node != job.plan.target:
                continue
            outcomes[key] = words.get(state, "cancelled")
            known = error_of(error)
            if known is not None and outcomes[key] == "failed":
                errors[key] = known
        keys = [cast("Key", _hashable(PartitionKey(t).value)) for t in job.run.keys]
        return BackfillReport(
            run_id=self.id,
            outcomes={keys[i]: word for i, word in outcomes.items()},
            errors={keys[i]: error for i, error in errors.items()},
        )

    async def status(self) -> str:
        """Tell how it stands: `starting`, `running`, or how it ended."""
        return (await self._read()).status

    async def progress(self) -> Progress:
        """Count its cells."""
        return await asyncio.to_thread(patiently, self._progress)

    def _progress(self, ended: RunRow | None = None) -> Progress:
        if ended is None:
            job = self._toolbox.job(self.id)
        else:
            job = self._toolbox.job_of(ended)
        runs = self._toolbox.ledger.runs
        if job is None:
            return Progress(note=runs.last_note(self.id))
        counts: dict[State, int] = {}
        for node, _, state, *_ in runs.nodes(self.id):
            if not job.plan.nodes[node].given:
                counts[state] = counts.get(state, 0) + 1
        singles = sum(1 for n in job.plan.nodes if n.single and not n.given)
        keyed = sum(1 for n in job.plan.nodes if not n.single and not n.given)
        return Progress(
            total=singles + keyed * len(job.run.keys),
            made=counts.get(State.MADE, 0),
            reused=counts.get(State.REUSED, 0),
            skipped=counts.get(State.BYPASSED, 0),
            failed=counts.get(State.FAILED, 0) + counts.get(State.BLOCKED, 0),
            cancelled=counts.get(State.CANCELLED, 0),
            waiting=counts.get(State.WAITING, 0),
            running=0 if ended else runs.running(self.id),
            note="" if ended else runs.last_note(self.id),
        )

    async def events(self) -> list[Event]:
        """Give what happened in it, exactly, in order."""
        return await asyncio.to_thread(
            patiently, self._toolbox.ledger.runs.events, self.id
        )

    async def cancel(self) -> None:
        """Ask it to stop; `wait` tells when it has."""
        await self._backend.cancel(self._row)

    async def pause(self) -> None:
        """Refuse: pausing is not built yet."""
        raise NotSupported(what="run.pause()")

    async def resume(self) -> None:
        """Refuse: pausing is not built yet."""
        raise NotSupported(what="run.resume()")

    async def redrive(self) -> None:
        """Refuse: redriving is not built yet."""
        raise NotSupported(
            what="run.redrive()", instead="Start it again with policy='missing'."
        )

    async def adjust(self, **_: object) -> None:
        """Refuse: adjusting is not built yet."""
        raise NotSupported(what="run.adjust(...)")


def _hashable(value: object) -> object:
    """Give a key that can be one of a mapping's: named dimensions become pairs."""
    if isinstance(value, dict):
        return tuple(sorted(cast("dict[str, object]", value).items()))
    return value


def _why(row: RunRow) -> FlowstoneError | None:
    if row.status == "terminated":
        return RunCancelled(run_id=row.id, reason=f"Run {row.id}: {row.reason}.")
    if row.status in {"failed", "not_started"}:
        return RunError(reason=row.reason, run_id=row.id)
    return None


def _error(outcome: Outcome) -> FlowstoneError:
    if outcome.error is not None:
        return outcome.error
    return RunCancelled(run_id=outcome.run_id)
