"""What a step may hold: the app's assets and infrastructure, and its call."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from flowstone.core.errors import ConfigurationError, FlowstoneError
from flowstone.core.pipeline import Pipeline
from flowstone.core.plan import Plan, make_plan
from flowstone.core.schedule import Schedule
from flowstone.core.sensor import Sensor
from flowstone.core.token import derive_token
from flowstone.io.base import IOManager
from flowstone.ledger.base import Dispatch, RunRow
from flowstone.ledger.sql import SqlLedger
from flowstone.resources import Patience, Resources
from flowstone.steps.background import Background
from flowstone.steps.watch import Flag, Region, Watch
from flowstone.telemetry import PROCESS, Handlers

__all__ = ["Call", "Callbacks", "Job", "Toolbox"]

_KEPT, _KEPT_PLANS = 512, 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One attempt at one step, as its engine hands it in.

    Attributes:
        workflow: the workflow that asked.
        attempt: how often it has been tried, this time included.
        beat: tells the engine that it lives, with details of the user's.
        cancelled: set when it should stop.
        region: where the user's code is entered.
    """

    workflow: str
    attempt: int
    beat: Callable[[object], None]
    cancelled: Flag
    region: Region

    def dispatch(self, run: str, number: int) -> Dispatch:
        """Say who asks, for the ledger."""
        return Dispatch(run, self.workflow, number, self.attempt)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A run as its steps need it: what was asked, and how it was planned."""

    run: RunRow
    plan: Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Callbacks:
    """How answers from outside come.

    Attributes:
        url: where the world reaches the callback endpoint; empty where it does not.
        max_bytes: how large an answer may be.
        kept: how long the log of deliveries is kept.
    """

    url: str = ""
    max_bytes: int = 1_048_576
    kept: timedelta = timedelta(days=30)


@dataclass(kw_only=True)
class Toolbox:
    """What every step of one app may hold; one for each worker.

    Attributes:
        name: the app's name.
        pipeline: its assets.
        ledger: where facts go.
        io: its IO managers, by name.
        keys: keys that sign tokens, by id; the first one signs.
        declared: its resources, by name.
        patience: how long a resource is waited for.
        schedules: its schedules, by name.
        sensors: its sensors, by name.
        background: the loop on which `async def` assets run.
        watch: beats for every call, and stops what was cancelled.
        resources: those of `declared` that are open here.
        telemetry: who is told of what its steps record.
        callbacks: how answers from outside come.
    """

    name: str
    pipeline: Pipeline
    ledger: SqlLedger
    io: Mapping[str, IOManager]
    keys: Mapping[str, bytes] = field(repr=False)
    declared: Mapping[str, object] = field(
        default_factory=dict[str, object], repr=False
    )
    patience: Patience = field(default_factory=Patience)
    schedules: Mapping[str, Schedule] = field(default_factory=dict[str, Schedule])
    sensors: Mapping[str, Sensor] = field(default_factory=dict[str, Sensor])
    background: Background = field(default_factory=Background)
    watch: Watch = field(default_factory=Watch)
    resources: Resources = field(init=False)
    telemetry: Handlers = field(default_factory=lambda: Handlers(PROCESS))
    callbacks: Callbacks = field(default_factory=Callbacks)
    _jobs: OrderedDict[str, Job] = field(default_factory=OrderedDict[str, Job])
    _plans: OrderedDict[str, Plan] = field(default_factory=OrderedDict[str, Plan])
    _made: OrderedDict[tuple[str, bool], Plan] = field(
        default_factory=OrderedDict[tuple[str, bool], Plan]
    )
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.resources = Resources(self.declared, self.background.settle, self.patience)

    def plan(self, target: str, *, upstream: bool) -> Plan:
        """Plan the making of an asset, with all that it needs or with only itself."""
        with self._lock:
            known = self._made.get((target, upstream))
        if known is None:
            known = make_plan(self.name, self.pipeline, target, upstream=upstream)
        with self._lock:
            self._made[target, upstream] = known
            while len(self._made) > _KEPT_PLANS:
                self._made.popitem(last=False)
        return known

    def job(self, run: str) -> Job | None:
        """Give a run and its plan; `None` where it has none (yet)."""
        with self._lock:
            known = self._jobs.get(run)
        if known is not None:
            return known
        row = self.ledger.runs.get(run)
        return None if row is None else self.job_of(row)

    def job_of(self, row: RunRow) -> Job | None:
        """Give a run, whose row was read, and its plan."""
        if row.plan is None:
            return None
        job = Job(run=row, plan=self._plan(row.plan))
        self.remember(job)
        return job

    def remember(self, job: Job) -> None:
        """Keep a run and its plan at hand; `forget` it where it may have moved."""
        with self._lock:
            self._jobs[job.run.id] = job
            self._plans[job.plan.digest] = job.plan
            for kept in (self._jobs, self._plans):
                while len(kept) > _KEPT:
                    kept.popitem(last=False)

    def forget(self, run: str) -> None:
        """Have a run be read again: a worker of another version may have planned it."""
        with self._lock:
            self._jobs.pop(run, None)

    def _plan(self, digest: str) -> Plan:
        with self._lock:
            known = self._plans.get(digest)
        return known or Plan.from_body(self.ledger.runs.plan_body(digest))

    def end(
        self,
        run: RunRow,
        status: str,
        *,
        error: FlowstoneError | None = None,
        reason: str = "",
    ) -> None:
        """Write the end of a run that no step of its own ends, and tell of it."""
        ended = self.ledger.runs.end(run, status, error=error, reason=reason)
        self.telemetry.emit(ended)

    def token(self, gate: str) -> str:
        """Give the token of a gate.

        Raises:
            ConfigurationError: there is no key to sign it with.
        """
        if not self.keys:
            raise ConfigurationError(
                problems=[
                    "A token cannot be signed: set FLOWSTONE_SIGNING_KEYS to "
                    "`id:secret`, the same for every worker and client."
                ]
            )
        return derive_token(gate, self.keys)

    def close(self) -> None:
        """Close its resources, and stop what it runs in the background."""
        self.watch.close()
        self.resources.close()
        self.background.close()
