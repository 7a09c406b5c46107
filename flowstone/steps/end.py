"""End a run: write what no other step has written, and why it failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from flowstone.core.errors import (
    AssetFailed,
    FlowstoneError,
    ResourceUnavailable,
    RunCancelled,
    RunError,
    UpstreamFailed,
)
from flowstone.core.events import ErrorOccurred, Event, MaterializationStopped
from flowstone.core.messages import Ended, EndRun
from flowstone.core.plan import Plan
from flowstone.core.table import State, read_table
from flowstone.ledger.rows import error_of, error_text
from flowstone.steps.cells import key_text
from flowstone.steps.toolbox import Call, Job, Toolbox

__all__ = ["end_run"]

_DETAILED = (AssetFailed, ResourceUnavailable)
_SHOWN = 500
_WRITTEN_HERE = {State.BYPASSED, State.BLOCKED, State.CANCELLED, State.FAILED}


def end_run(toolbox: Toolbox, call: Call, step: EndRun) -> Ended:
    """Write a run's end."""
    del call
    job = toolbox.job(step.run)
    row = toolbox.ledger.runs.get(step.run)
    if row is None:
        return Ended(status=step.status)
    if job is None:
        toolbox.telemetry.emit(toolbox.ledger.runs.end(row, step.status))
        return Ended(status=step.status)
    table = read_table(step.table)
    ending = _End(toolbox, job, table)
    error = ending.error(step.status)
    recorded = toolbox.ledger.runs.end(
        row, step.status, settled=ending.rows(), error=error, news=ending.news()
    )
    if recorded:
        toolbox.telemetry.emit([*ending.errors(recorded[-1].at), *recorded])
    return Ended(status=step.status, error=None if error is None else _slim(error))


def _slim(error: FlowstoneError) -> Mapping[str, object]:
    """Give an error without its tracebacks: those are in the ledger."""
    if isinstance(error, UpstreamFailed) and isinstance(error.cause, _DETAILED):
        return replace(error, cause=replace(error.cause, details="")).to_data()
    if isinstance(error, _DETAILED):
        return replace(error, details="").to_data()
    return error.to_data()


class _End:
    """How the cells of a run ended."""

    def __init__(self, toolbox: Toolbox, job: Job, table: bytearray) -> None:
        self._job = job
        self._plan: Plan = job.plan
        self._width = len(job.plan.nodes)
        self._table = table
        self._errors = {
            (node, key): error_of(error)
            for node, key, state, _, _, error in toolbox.ledger.runs.nodes(job.run.id)
            if state == State.FAILED
        }
        self._toolbox = toolbox

    def rows(self) -> list[dict[str, object]]:
        """Give the rows of cells that ended without a version."""
        return [
            {
                "run": self._job.run.id,
                "key_number": number // self._width,
                "node": number % self._width,
                "state": state,
                "version": None,
                "reason": "",
                "error": error_text(self._failure(number)),
            }
            for number, state in enumerate(self._table)
            if state in _WRITTEN_HERE and not self._is_known_skip(number)
        ]

    def _is_known_skip(self, number: int) -> bool:
        # Its own row says why it was skipped; one that follows from it has none.
        node = self._plan.nodes[number % self._width]
        base = number - number % self._width
        hard = [e.node for e in node.edges if e.parameter and not e.optional]
        return self._table[number] == State.BYPASSED and not any(
            self._table[base + up] == State.BYPASSED for up in hard
        )

    def _failure(self, number: int) -> FlowstoneError | None:
        state = self._table[number]
        key, node = divmod(number, self._width)
        if state == State.FAILED:
            return self._errors.get((node, key)) or RunError(reason="it failed")
        if state == State.BLOCKED:
            return self._blocked(number)
        return None

    def _blocked(self, number: int) -> UpstreamFailed:
        key, node = divmod(number, self._width)
        at = node
        while self._table[key * self._width + at] == State.BLOCKED:
            at = next(
                e.node
                for e in self._plan.nodes[at].edges
                if self._table[key * self._width + e.node]
                in {State.FAILED, State.BLOCKED}
            )
        cause = self._errors.get((at, key)) or self._errors.get((at, 0))
        return UpstreamFailed(
            asset=self._plan.nodes[node].asset,
            partition=key_text(self._job, self._plan.nodes[node], key),
            upstream=self._plan.nodes[at].asset,
            cause=cause if isinstance(cause, RunError) else None,
            run_id=self._job.run.id,
        )

    def error(self, status: str) -> FlowstoneError | None:
        """Give why the run failed, judged by its target."""
        if status == "cancelled":
            return RunCancelled(run_id=self._job.run.id)
        if status != "failed":
            return None
        targets = range(self._width - 1, len(self._table), self._width)
        failed = [t for t in targets if self._table[t] in {State.FAILED, State.BLOCKED}]
        if self._job.run.request.verb == "backfill":
            return RunError(
                reason=f"{len(failed)} of {len(targets)} partitions of "
                f"{self._job.run.request.asset!r} failed.",
                run_id=self._job.run.id,
            )
        return self._failure(failed[0])

    def news(self) -> list[Event]:
        """Give the events that follow from decisions of the flow."""
        words = {State.BYPASSED: "skipped", State.BLOCKED: "upstream_failed"}
        return [
            MaterializationStopped(
                asset=self._plan.nodes[number % self._width].asset,
                key=self._key(number),
                run=self._job.run.id,
                outcome=words[State(state)],
            )
            for number, state in enumerate(self._table)
            if State(state) in words and not self._is_known_skip(number)
        ]

    def errors(self, at: datetime | None) -> list[Event]:
        """Give what somebody should look at: what failed for good."""
        return [
            ErrorOccurred(
                asset=self._plan.nodes[node].asset,
                key=key_text(self._job, self._plan.nodes[node], key),
                run=self._job.run.id,
                outcome="failed",
                at=at,
                why=str(error)[:_SHOWN],
                error_type=getattr(error, "error_type", type(error).__name__),
                retryable=False,
            )
            for (node, key), error in self._errors.items()
            if error is not None
        ]

    def _key(self, number: int) -> str:
        key, node = divmod(number, self._width)
        return key_text(self._job, self._plan.nodes[node], key)
