"""What makes a Temporal client or worker speak Flowstone."""

from __future__ import annotations

import dataclasses

from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter
from temporalio.plugin import SimplePlugin
from temporalio.worker import WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from flowstone.core.errors import FlowstoneError

__all__ = ["FlowstonePlugin"]


class FlowstonePlugin(SimplePlugin):
    """Sets the converter, the sandbox and the failure types; refuses to replace yours.

    The sandbox stays strict for flows: only the pure words of `flowstone.core` pass
    through, so a clock in a flow stops the workflow instead of breaking its replay.
    """

    def __init__(self) -> None:
        super().__init__(
            "flowstone",
            data_converter=_converter,
            workflow_runner=_runner,
            workflow_failure_exception_types=[FlowstoneError],
        )


def _converter(given: DataConverter | None) -> DataConverter:
    if given is None or given == DataConverter.default:
        return pydantic_data_converter
    # Codecs and failure encoders of the user's stay; only payloads must be ours.
    return dataclasses.replace(
        given,
        payload_converter_class=pydantic_data_converter.payload_converter_class,
    )


def _runner(given: WorkflowRunner | None) -> WorkflowRunner:
    runner = given if isinstance(given, SandboxedWorkflowRunner) else None
    runner = runner or SandboxedWorkflowRunner()
    return dataclasses.replace(
        runner,
        restrictions=runner.restrictions.with_passthrough_modules("flowstone.core"),
    )
