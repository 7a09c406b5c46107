"""How Temporal is: the server, its namespace, its words, and who serves the queue."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from temporalio.api.enums.v1 import IndexedValueType, TaskQueueType
from temporalio.api.operatorservice.v1 import (
    AddSearchAttributesRequest,
    ListSearchAttributesRequest,
)
from temporalio.api.taskqueue.v1 import PollerInfo, TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    DescribeTaskQueueRequest,
    GetSystemInfoRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from flowstone.core.errors import ConfigurationError
from flowstone.core.health import Component
from flowstone.engines.temporal.ids import ASSET, PARTITION

__all__ = ["attributes_health", "register", "temporal_health", "workers_health"]

_TIMEOUT = timedelta(seconds=10)
_SILENT = timedelta(seconds=90)
"""A poll lasts a minute: whoever has not polled for longer is gone."""

_KINDS = {
    "workflows": TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    "activities": TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
}
_WORDS = (ASSET.name, PARTITION.name)


async def temporal_health(client: Client) -> Component:
    """Ask the server how it is, and for its namespace."""

    async def ask() -> Component:
        service = client.workflow_service
        info = await service.get_system_info(GetSystemInfoRequest(), timeout=_TIMEOUT)
        await service.describe_namespace(
            DescribeNamespaceRequest(namespace=client.namespace), timeout=_TIMEOUT
        )
        where = client.service_client.config.target_host
        said = f"server {info.server_version} at {where}, namespace {client.namespace}"
        return Component(kind="temporal", name="temporal", detail=said)

    failing = Component(
        kind="temporal",
        name="temporal",
        state="failing",
        remedy="Start it, or look at TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE and TLS.",
    )
    return await _asked(ask, failing)


async def attributes_health(client: Client) -> Component:
    """Tell whether people can look for runs by asset and partition."""

    async def ask() -> Component:
        found = await client.operator_service.list_search_attributes(
            ListSearchAttributesRequest(namespace=client.namespace), timeout=_TIMEOUT
        )
        missing = [word for word in _WORDS if word not in found.custom_attributes]
        if not missing:
            return Component(
                kind="temporal", name="search attributes", detail=", ".join(_WORDS)
            )
        return Component(
            kind="temporal",
            name="search attributes",
            state="warning",
            problem=f"Temporal does not know {' and '.join(missing)}: its page cannot "
            "look for runs by asset or partition",
            remedy="`flowstone doctor --register` creates both.",
        )

    unknown = Component(
        kind="temporal",
        name="search attributes",
        state="unknown",
        remedy="Have somebody who may look for FlowstoneAsset and FlowstonePartition.",
    )
    return await _asked(ask, unknown)


async def workers_health(
    client: Client, queue: str, identity: str | None = None
) -> Component:
    """Tell whether anybody serves a queue; with an identity, whether that one does."""

    async def ask() -> Component:
        polling = {k: await _pollers(client, queue, v) for k, v in _KINDS.items()}
        served = {
            kind: {p.identity for p in pollers if identity in {None, p.identity}}
            for kind, pollers in polling.items()
        }
        idle = [kind for kind, who in served.items() if not who]
        if idle:
            whose = "This worker does not poll" if identity else "No worker polls"
            return replace(failing, problem=f"{whose} {queue} for {' or '.join(idle)}")
        everybody = set[str]().union(*served.values())
        said = f"{len(everybody)} on {queue}"
        return Component(kind="workers", name=queue, detail=said)

    failing = Component(
        kind="workers",
        name=queue,
        state="failing",
        remedy="Start one: `flowstone worker APP`.",
    )
    return await _asked(ask, failing)


async def _pollers(
    client: Client, queue: str, kind: TaskQueueType.ValueType
) -> list[PollerInfo]:
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=queue),
        task_queue_type=kind,
    )
    found = await client.workflow_service.describe_task_queue(request, timeout=_TIMEOUT)
    since = datetime.now(UTC) - _SILENT
    return [
        p for p in found.pollers if p.last_access_time.ToDatetime(tzinfo=UTC) > since
    ]


async def _asked(ask: Callable[[], Awaitable[Component]], bad: Component) -> Component:
    began = time.perf_counter()
    try:
        found = await ask()
    except RPCError as error:
        found = replace(bad, problem=" ".join(str(error).split()))
    return replace(found, latency=timedelta(seconds=time.perf_counter() - began))


async def register(client: Client) -> Sequence[str]:
    """Create the two search attributes; give those that were not there.

    Raises:
        ConfigurationError: this server does not let one create them so.
    """
    operator = client.operator_service
    kind = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
    try:
        found = await operator.list_search_attributes(
            ListSearchAttributesRequest(namespace=client.namespace), timeout=_TIMEOUT
        )
        missing = [word for word in _WORDS if word not in found.custom_attributes]
        if missing:
            await operator.add_search_attributes(
                AddSearchAttributesRequest(
                    namespace=client.namespace,
                    search_attributes=dict.fromkeys(missing, kind),
                ),
                timeout=_TIMEOUT,
            )
    except RPCError as error:
        if error.status == RPCStatusCode.ALREADY_EXISTS:
            return ()
        reason = " ".join(str(error).split())
        raise ConfigurationError(
            problems=[
                f"The search attributes cannot be created: {reason}. Create "
                f"{' and '.join(_WORDS)}, of type Keyword, by the server's own tools."
            ]
        ) from error
    return missing
