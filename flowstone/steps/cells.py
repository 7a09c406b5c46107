"""From numbers to assets: what the cells of a step stand for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from flowstone.core.events import ErrorOccurred
from flowstone.core.messages import Cell, Request
from flowstone.core.partition import NONE, PartitionKey
from flowstone.core.plan import Node
from flowstone.core.replies import NotHere
from flowstone.ledger.base import Wanted
from flowstone.steps.toolbox import Job, Toolbox

__all__ = [
    "key_text",
    "not_here",
    "note_absence",
    "partition",
    "place",
    "placed",
    "wanted",
]


def key_text(job: Job, node: Node, number: int) -> str:
    """Give the text of the key at which a node is made."""
    return NONE.text if node.single else job.run.keys[number]


def place(job: Job, node: int, key: int) -> tuple[int, int]:
    """Give the cell of a node that a reader at a key reads: single ones have one."""
    return (node, 0 if job.plan.nodes[node].single else key)


def placed(job: Job, cells: Sequence[Cell]) -> list[Cell]:
    """Give cells at their places, whichever key has what all keys share made again."""
    return [Cell(*c)._replace(key=place(job, c[0], c[1])[1]) for c in cells]


def partition(job: Job, node: Node, number: int) -> object:
    """Give the key as the user wrote it."""
    return PartitionKey(key_text(job, node, number)).value


def wanted(toolbox: Toolbox, job: Job, cell: Cell, *, gate: str = "") -> Wanted:
    """Say what is wanted of a cell, in the ledger's words."""
    node = job.plan.nodes[cell.node]
    volatile = toolbox.pipeline.assets[node.asset].options.volatile
    return Wanted(
        node=cell.node,
        key_number=cell.key,
        asset=f"{toolbox.name}/{node.asset}",
        key=key_text(job, node, cell.key),
        io=node.io,
        number=cell.attempt,
        inputs=[place(job, e.node, cell.key) for e in node.edges if e.parameter],
        reusable=job.run.request.policy != "always" and not volatile and not gate,
        gate=gate,
    )


def not_here(toolbox: Toolbox, node: Node, *, any_code: bool = False) -> NotHere | None:
    """Say why this worker cannot make a node, if it cannot.

    Args:
        toolbox: what the worker has.
        node: the node.
        any_code: whether it is made without its function.
    """
    asset = toolbox.pipeline.assets.get(node.asset)
    if asset is None:
        return NotHere(
            why=f"No worker of {toolbox.name!r} that answered has the asset "
            f"{node.asset!r}; start one that has it."
        )
    if asset.code != node.code and not any_code:
        return NotHere(
            why=f"The worker that answered has code {asset.code} of {node.asset!r}, "
            f"and the run was planned with {node.code}; start one that has that."
        )
    if node.io not in toolbox.io:
        return NotHere(
            why=f"The worker that answered has no IO manager {node.io!r}, which "
            f"{node.asset!r} uses."
        )
    return None


def note_absence(toolbox: Toolbox, request: Request, absent: NotHere) -> None:
    """Record why a run waits for a worker, for those who follow it."""
    toolbox.forget(request.run)
    event = ErrorOccurred(
        asset=request.asset,
        key=request.key or NONE.text,
        run=request.run,
        outcome="not_here",
        at=datetime.now(UTC),
        why=absent.why,
    )
    toolbox.ledger.runs.note(event)
    toolbox.telemetry.emit([event])
