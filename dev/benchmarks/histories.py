"""What a run has left on Temporal: each history of its chain, its payloads, its replay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, WorkflowHistory
from temporalio.worker import Replayer

from flowstone.engines.temporal.plugin import FlowstonePlugin
from flowstone.engines.temporal.served import WORKFLOWS

__all__ = ["largest_payloads", "read_chain", "replay"]

_PLANNING = {"flowstone.MakePlan", "flowstone.ReadPlan"}


async def read_chain(client: Client, workflow: str) -> list[WorkflowHistory]:
    """Give the histories of a workflow that has continued as new, the oldest first."""
    found: list[WorkflowHistory] = []
    run: str | None = None
    while run != "":
        handle = client.get_workflow_handle(workflow, run_id=run)
        found.append(await handle.fetch_history())
        began = found[-1].events[0].workflow_execution_started_event_attributes
        run = began.continued_execution_run_id
    return found[::-1]


def largest_payloads(histories: Sequence[WorkflowHistory]) -> tuple[int, int]:
    """Give the bytes of the largest payload, and those of the largest skeleton.

    The skeleton of a graph is what making or reading a plan has answered; no other
    payload is one.
    """
    largest, skeleton = 0, 0
    for history in histories:
        names = {
            e.event_id: e.activity_task_scheduled_event_attributes.activity_type.name
            for e in history.events
        }
        for event in history.events:
            size = max((len(p.data) for p in _payloads(event)), default=0)
            done = event.activity_task_completed_event_attributes.scheduled_event_id
            if done and names[done] in _PLANNING:
                skeleton = max(skeleton, size)
            else:
                largest = max(largest, size)
    return largest, skeleton


async def replay(histories: Sequence[WorkflowHistory]) -> None:
    """Replay histories with the workflows of this checkout.

    Raises:
        Exception: one of them gives other commands than it did.
    """
    replayer = Replayer(workflows=WORKFLOWS, plugins=[FlowstonePlugin()])
    for history in histories:
        await replayer.replay_workflow(history)


def _payloads(message: Message) -> Iterator[Payload]:
    """Give every payload below a message."""
    if isinstance(message, Payload):
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            parts = value.values()
        else:
            parts = [value] if isinstance(value, Message) else value
        for part in parts:
            if isinstance(part, Message):
                yield from _payloads(part)
