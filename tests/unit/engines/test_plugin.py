"""What the plugin adds to a Temporal client and worker, and what it refuses."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.client import ClientConfig
from temporalio.converter import (
    DataConverter,
    DefaultPayloadConverter,
    PayloadCodec,
)
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from flowstone import ConfigurationError, FlowstoneError
from flowstone.engines.temporal.payloads import data_converter
from flowstone.engines.temporal.plugin import FlowstonePlugin
from flowstone.engines.temporal.served import WORKFLOWS


class Sealed(PayloadCodec):
    """Seals nothing, but is somebody's own."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return list(payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return list(payloads)


class Own(DefaultPayloadConverter):
    """Somebody's own way of writing payloads."""


def configured(converter: DataConverter) -> DataConverter:
    config = ClientConfig(data_converter=converter)  # pyright: ignore[reportCallIssue]
    return FlowstonePlugin().configure_client(config)["data_converter"]


def test_messages_are_written_by_pydantic() -> None:
    """A client that says nothing of converters writes Flowstone's messages."""
    assert configured(DataConverter.default) == data_converter


def test_a_codec_of_the_users_stays() -> None:
    """Payload encryption goes on beside the plugin."""
    codec = Sealed()
    found = configured(dataclasses.replace(DataConverter.default, payload_codec=codec))

    assert found.payload_codec is codec
    assert found.payload_converter_class == data_converter.payload_converter_class


def test_another_payload_converter_is_refused() -> None:
    """A converter that cannot write the messages is named, and what may stay."""
    other = dataclasses.replace(DataConverter.default, payload_converter_class=Own)

    with pytest.raises(ConfigurationError, match="cannot be written by Own"):
        configured(other)


def test_flows_run_in_the_sandbox() -> None:
    """A worker's sandbox lets the pure words pass, and flows fail by house errors."""
    plain = Replayer(workflows=WORKFLOWS).config()
    config = FlowstonePlugin().configure_replayer(plain)
    runner = config.get("workflow_runner")

    assert isinstance(runner, SandboxedWorkflowRunner)
    passed = runner.restrictions.passthrough_modules
    assert {m for m in passed if m.startswith("flowstone.flows")} == {
        "flowstone.flows.engine"
    }
    assert FlowstoneError in (config.get("workflow_failure_exception_types") or ())


def test_a_worker_without_the_sandbox_is_refused() -> None:
    """Flows do not run where a clock in them would go unnoticed."""
    runner = UnsandboxedWorkflowRunner()

    with pytest.raises(ConfigurationError, match="sandbox"):
        Replayer(
            workflows=WORKFLOWS, workflow_runner=runner, plugins=[FlowstonePlugin()]
        )
