"""Runs that wait on workers of an older version are woken, and go on with this one.

A run is pinned to the version that it began with, as Temporal has it. One that waits
would hold that version for as long: when a newer one is current, its workers ring the
run, at a bounded rate, and it continues as new with them. Nothing polls for it.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from datetime import timedelta

from temporalio.api.workflowservice.v1 import DescribeWorkerDeploymentRequest
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import WorkerDeploymentConfig

from flowstone.core.errors import ConfigurationError
from flowstone.steps.toolbox import Toolbox

__all__ = ["Moving", "deployed", "version_of"]

_SPACING = timedelta(milliseconds=50)
"""How far apart bells are: a run that moves costs its plan to be read again."""

_AGAIN = 600.0
"""After how many seconds a run is rung again: Temporal may have been away."""

_MOST = 1000
"""How many runs are rung at once; the others have their turn at the next look."""


def version_of(
    pipeline: str, deployment: str | None, build: str | None
) -> WorkerDeploymentVersion | None:
    """Give the version of a worker, where it has one.

    Raises:
        ConfigurationError: Temporal takes no such name.
    """
    if build is None:
        return None
    name = deployment or f"flowstone-{pipeline}"
    if not re.fullmatch(r"[^.:]+", name):
        raise ConfigurationError(
            problems=[
                f"TEMPORAL_DEPLOYMENT_NAME is {name!r}; Temporal takes no name that "
                "has a dot or a colon."
            ]
        )
    return WorkerDeploymentVersion(deployment_name=name, build_id=build)


def deployed(version: WorkerDeploymentVersion | None) -> WorkerDeploymentConfig | None:
    """Say how a worker of a version serves: what it begins, it ends."""
    if version is None:
        return None
    return WorkerDeploymentConfig(
        version=version,
        use_worker_versioning=True,
        default_versioning_behavior=VersioningBehavior.PINNED,
    )


class Moving:
    """Wakes runs that wait on older versions, where this one is current.

    Args:
        toolbox: of the app whose runs they are.
        client: Temporal's.
        version: this worker's.
    """

    def __init__(
        self, toolbox: Toolbox, client: Client, version: WorkerDeploymentVersion
    ) -> None:
        self._toolbox = toolbox
        self._client = client
        self._version = version
        self._rung: dict[str, float] = {}

    async def wake(self) -> int:
        """Have them be rung, and again where that was in vain; give how many.

        One that is at work hears of it when it comes to wait, and goes by itself.
        """
        if not await self._is_current():
            self._rung.clear()
            return 0
        older = await self._older()
        if not older:
            return 0
        outbox, name = self._toolbox.ledger.outbox, self._toolbox.name
        live = await asyncio.to_thread(outbox.live, name)
        runs = {run.workflow: run.id for run in live}
        whom = [
            (w, run) for w in older.values() if (run := _owner(w, runs)) is not None
        ]
        found = await asyncio.to_thread(
            lambda: outbox.wake(name, whom, spacing=_SPACING)
        )
        self._rung.update(dict.fromkeys(older, time.monotonic()))
        return found

    async def _is_current(self) -> bool:
        request = DescribeWorkerDeploymentRequest(
            namespace=self._client.namespace,
            deployment_name=self._version.deployment_name,
        )
        service = self._client.workflow_service
        try:
            found = await service.describe_worker_deployment(request)
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                return False
            raise
        routing = found.worker_deployment_info.routing_config
        return routing.current_deployment_version.build_id == self._version.build_id

    async def _older(self) -> dict[str, str]:
        """Give workflows that are pinned to other versions, but those rung of late.

        Returns:
            Their ids, by the ids of their runs.
        """
        name, build = self._version.deployment_name, self._version.build_id
        query = (
            f"WorkflowId STARTS_WITH 'flowstone/{self._toolbox.name}/' "
            f"AND ExecutionStatus = 'Running' AND TemporalWorkerDeployment = '{name}' "
            "AND TemporalWorkflowVersioningBehavior = 'Pinned' "
            f"AND TemporalWorkerDeploymentVersion != '{name}:{build}'"
        )
        late = time.monotonic() - _AGAIN
        self._rung = {run: at for run, at in self._rung.items() if at > late}
        found: dict[str, str] = {}
        async for workflow in self._client.list_workflows(query):
            if workflow.run_id not in self._rung:
                found[workflow.run_id] = workflow.id
            if len(found) == _MOST:
                break
        return found


def _owner(workflow: str, runs: Mapping[str, str]) -> str | None:
    """Give the run that a workflow, or the parent of a child, belongs to."""
    found, _, rest = workflow.rpartition("/shard/")
    return runs.get(workflow) or (runs.get(found) if rest else None)
