"""What makes a Temporal client or worker speak Flowstone."""

from __future__ import annotations

import dataclasses
from typing import Any

from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.converter import DataConverter
from temporalio.plugin import SimplePlugin
from temporalio.worker import (
    Interceptor,
    StartActivityInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
    WorkflowRunner,
)
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner
from temporalio.workflow import ActivityHandle

from flowstone.core.errors import ConfigurationError, FlowstoneError
from flowstone.engines.temporal.payloads import Payloads, data_converter

__all__ = ["FlowstonePlugin"]

_PASSED = (
    "flowstone.core",
    "flowstone.flows.engine",
    "flowstone.engines.temporal.engine",
    "flowstone.engines.temporal.ids",
)
"""What the sandbox need not import anew: words, and how Temporal is asked to do them."""


class FlowstonePlugin(SimplePlugin):
    """Sets the converter, the sandbox and the failure types; refuses to replace yours.

    The sandbox stays strict for whatever decides: only the pure words of the house and
    the engine pass through, so a clock in a flow stops the workflow instead of breaking
    its replay.
    """

    def __init__(self) -> None:
        super().__init__(
            "flowstone",
            data_converter=_converter,
            workflow_runner=_runner,
            workflow_failure_exception_types=[FlowstoneError],
            interceptors=[_Interceptor()],
        )


class _Interceptor(Interceptor):
    """Has workflows start their activities as `_Outbound` says."""

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002, ARG002 - the SDK's names
    ) -> type[WorkflowInboundInterceptor] | None:
        """Give what stands between a workflow and the worker."""
        return _Inbound


class _Inbound(WorkflowInboundInterceptor):
    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        super().init(_Outbound(outbound))


class _Outbound(WorkflowOutboundInterceptor):
    """Leaves a step that this worker could not do to the queue, for any other."""

    def start_activity(self, input: StartActivityInput) -> ActivityHandle[Any]:  # noqa: A002
        step = input.args[0] if input.args else None
        if getattr(step, "again", False):
            input.disable_eager_execution = True
        return super().start_activity(input)


def _converter(given: DataConverter | None) -> DataConverter:
    if given is None or given == DataConverter.default:
        return data_converter
    if given.payload_converter_class not in {
        Payloads,
        PydanticPayloadConverter,
        DataConverter.default.payload_converter_class,
    }:
        other = given.payload_converter_class.__name__
        raise ConfigurationError(
            problems=[
                f"Flowstone's messages cannot be written by {other}: leave the payload "
                "converter out. Payload codecs and failure converters may stay."
            ]
        )
    # Codecs and failure encoders of the user's stay; only payloads must be ours.
    return dataclasses.replace(given, payload_converter_class=Payloads)


def _runner(given: WorkflowRunner | None) -> WorkflowRunner:
    runner = given or SandboxedWorkflowRunner()
    if not isinstance(runner, SandboxedWorkflowRunner):
        raise ConfigurationError(
            problems=[
                f"Flowstone's workflows run in Temporal's sandbox, not in "
                f"{type(runner).__name__}: leave the workflow runner out."
            ]
        )
    return dataclasses.replace(
        runner,
        restrictions=runner.restrictions.with_passthrough_modules(*_PASSED),
    )
