"""Starts runs on Temporal and reaches them, through its client."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import Any
from urllib.parse import quote

from sqlalchemy.exc import DBAPIError
from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
)
from temporalio.common import (
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from flowstone.core.errors import AlreadyRunning
from flowstone.core.health import Component
from flowstone.core.ticks import Checked, Sense, sense_id
from flowstone.engines.ports import Started, workflow_of
from flowstone.engines.temporal.health import (
    attributes_health,
    temporal_health,
    workers_health,
)
from flowstone.engines.temporal.ids import (
    ASSET,
    MEMO_HASH,
    MEMO_RUN,
    PARTITION,
    task_queue,
    workflow_name,
)
from flowstone.engines.temporal.schedules import TemporalTimetable
from flowstone.ledger.base import LIVE, RunRow
from flowstone.steps.toolbox import Toolbox

__all__ = ["TemporalBackend"]

_LOG = logging.getLogger("flowstone")
_TRIES = 3
_FIRST_LOOK, _HELD = 2.0, 20.0
"""After how many seconds one asks whether a run has ended, and when no more."""


class TemporalBackend:
    """Runs on Temporal.

    Args:
        toolbox: what the client holds.
        client: connected to Temporal.
    """

    owner = ""

    def __init__(self, toolbox: Toolbox, client: Client) -> None:
        self.client = client
        self.timetable = TemporalTimetable(toolbox, client)
        self._toolbox = toolbox
        self._first: dict[str, str] = {}
        self._attributes = True

    async def start(self, flow: Started, run: RunRow) -> str:
        """Start a workflow, or join the one that has its id."""
        for _ in range(_TRIES):
            try:
                await self._start(flow, run)
            except WorkflowAlreadyStartedError:
                joined = await self._join(run)
                if joined is not None:
                    return joined
                continue
            return run.id
        raise AlreadyRunning(
            asset=run.request.asset, partition=run.request.key or "-", run_id="?"
        )

    async def _start(self, flow: Started, run: RunRow) -> None:
        try:
            handle = await self.client.start_workflow(
                workflow_name(type(flow)),
                flow,
                id=workflow_of(run),
                task_queue=task_queue(run.request.pipeline),
                id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                memo={MEMO_RUN: run.id, MEMO_HASH: run.request_hash},
                search_attributes=self._search_attributes(run),
                static_summary=_summary(run),
                static_details=_details(run),
            )
        except RPCError as error:
            unknown = error.status == RPCStatusCode.INVALID_ARGUMENT
            if not (unknown and self._attributes and "search attribute" in str(error)):
                raise
            self._attributes = False
            _LOG.warning(
                "Temporal does not know the search attributes FlowstoneAsset and "
                "FlowstonePartition; runs go on without. `flowstone doctor --register` "
                "creates both."
            )
            await self._start(flow, run)
            return
        self._first[run.id] = handle.first_execution_run_id or ""

    def _search_attributes(self, run: RunRow) -> TypedSearchAttributes:
        if not self._attributes:
            return TypedSearchAttributes.empty
        key = run.request.key or "-"
        return TypedSearchAttributes(
            [
                SearchAttributePair(ASSET, run.request.asset),
                SearchAttributePair(PARTITION, key[:500]),
            ]
        )

    async def _join(self, run: RunRow) -> str | None:
        """Give the run that has the id; `None` where it has ended meanwhile."""
        found = await self._describe(workflow_of(run))
        if found is None or found.status != WorkflowExecutionStatus.RUNNING:
            return None
        memo = await found.memo()
        owner, asked = str(memo.get(MEMO_RUN)), memo.get(MEMO_HASH)
        if asked == run.request_hash:
            return owner
        raise AlreadyRunning(
            asset=run.request.asset, partition=run.request.key or "-", run_id=owner
        )

    async def _describe(
        self, workflow: str, run_id: str | None = None
    ) -> WorkflowExecutionDescription | None:
        handle = self.client.get_workflow_handle(workflow, run_id=run_id)
        try:
            return await handle.describe()
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                return None
            raise

    async def sense(self, flow: Sense) -> Checked:
        """Start the sensor's workflow, and wait for what comes of it."""
        found: Checked = await self.client.execute_workflow(
            workflow_name(Sense),
            flow,
            id=sense_id(flow.pipeline, flow.sensor, flow.tick),
            task_queue=task_queue(flow.pipeline),
            result_type=Checked,
            static_summary=f"look: {flow.sensor}",
        )
        return found

    async def wait(self, run: RunRow) -> None:
        """Wait until the workflow has ended; how, the ledger says."""
        first = self._first.get(run.id)
        workflow = workflow_of(run)
        if first is None:
            found = await self._describe(workflow)
            if found is None or not await _is_of(found, run):
                return
            first = found.run_id
        handle = self.client.get_workflow_handle(workflow, run_id=first or None)
        ended = asyncio.ensure_future(_end_of(handle))
        try:
            await self._look_for_end(run, ended)
        finally:
            ended.cancel()

    async def _look_for_end(self, run: RunRow, ended: asyncio.Future[None]) -> None:
        """Wait to be told that a run has ended; ask a few times oneself.

        Of some hundred workflows that end at once, the server forgets to tell of one
        or two for as long as it holds a question, which is 20 seconds.
        """
        pause = _FIRST_LOOK
        while not ended.done():
            await asyncio.wait({ended}, timeout=pause if pause < _HELD else None)
            pause *= 2
            if not ended.done() and await self._has_ended(run):
                return
        await ended

    async def _has_ended(self, run: RunRow) -> bool:
        """Tell whether a run has ended, and its workflow after it."""
        try:
            found = await asyncio.to_thread(self._toolbox.ledger.runs.get, run.id)
            if found is None or found.status in LIVE:
                return False
            return not await self.is_alive(run)
        except (DBAPIError, RPCError):
            # Whoever waits outlives that: it is told when there is somebody to tell.
            return False

    async def is_alive(self, run: RunRow) -> bool:
        """Tell whether the workflow is open, and is this run's."""
        found = await self._describe(workflow_of(run))
        if found is None or found.status != WorkflowExecutionStatus.RUNNING:
            return False
        return await _is_of(found, run)

    async def has_begun(self, run: RunRow) -> bool:
        """Tell whether there is a workflow of this run, open or not."""
        found = await self._describe(workflow_of(run))
        return found is not None and await _is_of(found, run)

    async def ring(self, workflow: str, gate: str) -> bool:
        """Signal a workflow; one that is gone hears nothing."""
        handle = self.client.get_workflow_handle(workflow)
        try:
            await handle.signal("ring", gate)
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
            return False
        return True

    async def cancel(self, run: RunRow) -> None:
        """Ask the workflow to stop."""
        if await self.is_alive(run):
            await self.client.get_workflow_handle(workflow_of(run)).cancel()

    def url(self, run: RunRow) -> str | None:
        """Give Temporal's page of the run."""
        base = os.environ.get("TEMPORAL_UI_ADDRESS") or _guess(self.client)
        if base is None:
            return None
        space = quote(self.client.namespace, safe="")
        return f"{base}/namespaces/{space}/workflows/{quote(run.workflow, safe='')}"

    async def health(self) -> list[Component]:
        """Ask the server, and who serves the app's queue."""
        found = await asyncio.gather(
            temporal_health(self.client),
            attributes_health(self.client),
            workers_health(self.client, task_queue(self._toolbox.name)),
        )
        return list(found)

    async def close(self) -> None:
        """Let go; Temporal's client closes with its last reference."""
        await asyncio.sleep(0)


async def _end_of(handle: WorkflowHandle[Any, Any]) -> None:
    """Wait until the server tells that a workflow has ended, however it has."""
    try:
        await handle.result()
    except WorkflowFailureError:
        return
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:
            raise


async def _is_of(found: WorkflowExecutionDescription, run: RunRow) -> bool:
    owner = (await found.memo()).get(MEMO_RUN)
    # What a schedule has started knows its run only once a worker has said which.
    return owner == run.id or (owner is None and bool(run.request.tick))


def _guess(client: Client) -> str | None:
    """Guess the page of a development server: a thousand above its port."""
    host, _, port = client.service_client.config.target_host.partition(":")
    if host not in {"localhost", "127.0.0.1"} or not port.isdigit():
        return None
    return f"http://{host}:{int(port) + 1000}"


def _summary(run: RunRow) -> str:
    request = run.request
    where = f" @ {request.key}" if request.key else ""
    if request.verb == "backfill":
        where = f" at {request.keys} partitions"
    return f"{request.asset}{where}"[:200]


def _details(run: RunRow) -> str:
    request = run.request
    many = request.verb == "backfill"
    rows = {
        "verb": request.verb,
        "asset": f"{request.pipeline}/{request.asset}",
        **({"partitions": request.keys} if many else {}),
        **({"partition": request.key[:200]} if request.key else {}),
        "policy": request.policy,
        "run": run.id,
        "asked by": run.actor,
    }
    # an em space, as Temporal's page leaves nothing between two columns
    return "\n".join(
        ["| | |", "|---|---|", *(f"| {k}\N{EM SPACE} | {v} |" for k, v in rows.items())]
    )
