"""Values that wait for somebody's decision."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from flowstone.core.alarms import from_millis
from flowstone.core.errors import Refused
from flowstone.core.partition import PartitionKey
from flowstone.core.pipeline import AnyAsset
from flowstone.core.ref import Key
from flowstone.ledger.approvals import Read
from flowstone.ledger.base import Gate
from flowstone.ledger.deciding import approval_id
from flowstone.steps.edits import write_edits
from flowstone.steps.toolbox import Toolbox
from flowstone.views.bell import Bell

__all__ = ["ApprovalEntry", "Approvals"]

_STATES = {
    "approve": "approved",
    "reject": "rejected",
    "recompute": "recomputed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalEntry:
    """A value that waits, or waited, for a decision.

    Attributes:
        id: names it; an asset that is made again waits under another one.
        version: the value that is held back: `stone.value(asset, partition, version)`.
        inputs: the versions it was made from, by parameter.
        outdated: the parameters whose versions have been replaced since.
        state: `pending`, `approved`, `rejected`, `recomputed`, or `abandoned`.
        on_timeout: what happens at the deadline.
        escalated_to: who is to decide, where that was handed on.
        reminders: the instants of the reminders to come.
        winner: who decided, or what.
        comment: what was said with the decision.
        edited: whether another value is published than the one that was held back.
        required: how many decisions it takes.
    """

    id: str
    asset: str
    partition: Key | None
    run_id: str
    message: str
    state: str
    version: str
    inputs: Mapping[str, str]
    outdated: Sequence[str]
    opened_at: datetime
    deadline: datetime | None
    on_timeout: str
    escalate_to: str
    escalated_to: str
    reminders: Sequence[datetime]
    decided_at: datetime | None
    winner: str
    comment: str
    edited: bool
    required: int


class Approvals:
    """Values that wait for somebody's decision."""

    def __init__(self, toolbox: Toolbox, bell: Bell, actor: str) -> None:
        self._toolbox = toolbox
        self._bell = bell
        self._actor = actor
        self._rows = toolbox.ledger.approvals

    def on_behalf_of(self, actor: str) -> Approvals:
        """Give the same, for whom an endpoint's authenticator has named.

        For endpoints: whoever decides in code is the client's own actor.
        """
        return Approvals(self._toolbox, self._bell, actor)

    async def list(
        self, *, asset: AnyAsset | str | None = None, limit: int = 1000
    ) -> list[ApprovalEntry]:
        """Give what waits for a decision, the oldest first.

        Args:
            asset: only of this one.
            limit: how many at most.
        """
        name = "" if asset is None else self._toolbox.pipeline[asset].name
        return await asyncio.to_thread(self._list, name, limit)

    async def get(self, id: str) -> ApprovalEntry:
        """Give an approval, whether it waits or not.

        Raises:
            UnknownGate: there is none of this id.
            OutOfDate: its asset was made again since, and waits under another id.
        """
        return await asyncio.to_thread(self._get, id)

    async def approve(
        self, id: str, *, comment: str = "", edits: object = None
    ) -> ApprovalEntry:
        """Have the value published, as it is or with edits.

        Args:
            id: the approval's.
            comment: what to say with it.
            edits: the value to publish in its place, of the asset's type; `None`
                leaves it as it is.

        Raises:
            UnknownGate: there is none of this id.
            AlreadyDecided: somebody was first; the error names the winner.
            OutOfDate: what it was made from has been replaced since.
            RunClosed: its run has ended.
            CodecError: the edits are not of the asset's type.
        """
        return await self._decide(id, "approve", comment, edits)

    async def reject(self, id: str, *, reason: str = "") -> ApprovalEntry:
        """Have its asset fail, and what needs it not be made.

        Raises:
            UnknownGate: there is none of this id.
            AlreadyDecided: somebody was first; the error names the winner.
            OutOfDate: what it was made from has been replaced since.
            RunClosed: its run has ended.
        """
        return await self._decide(id, "reject", reason)

    async def recompute(self, id: str) -> ApprovalEntry:
        """Have its asset made again, from what its inputs are now.

        It is asked for anew then, under another id.

        Raises:
            UnknownGate: there is none of this id.
            AlreadyDecided: somebody was first; the error names the winner.
            RunClosed: its run has ended.
        """
        return await self._decide(id, "recompute", "")

    async def escalate(self, id: str, *, to: str) -> ApprovalEntry:
        """Have somebody else asked, with a new deadline of the same length.

        Raises:
            UnknownGate: there is none of this id.
            AlreadyDecided: somebody has decided; the error names the winner.
            RunClosed: its run has ended.
            Refused: nobody is named.
        """
        if not to:
            raise Refused(
                reason="approvals.escalate(to=...) takes the name of who is to decide."
            )
        gate, told = await asyncio.to_thread(
            self._rows.escalate, self._toolbox.name, id, to, self._actor
        )
        self._toolbox.telemetry.emit([told])
        return await self._ring(gate)

    async def _decide(
        self, id: str, decision: str, comment: str, edits: object = None
    ) -> ApprovalEntry:
        gate = await asyncio.to_thread(
            lambda: self._rows.decide(
                self._toolbox.name,
                id,
                decision,
                self._actor,
                comment=comment,
                edits=self._edits(id, edits),
            )
        )
        return await self._ring(gate)

    def _edits(self, id: str, edits: object) -> str | None:
        if edits is None:
            return None
        gate = self._rows.get(self._toolbox.name, id)
        asset = self._toolbox.pipeline[gate.asset.split("/", 1)[-1]]
        return write_edits(edits, asset.hints.returns)

    async def _ring(self, gate: Gate) -> ApprovalEntry:
        await self._bell.ring(gate)
        return (await asyncio.to_thread(self._entries, [gate]))[0]

    def _list(self, asset: str, limit: int) -> list[ApprovalEntry]:
        app = self._toolbox.name
        name = f"{app}/{asset}" if asset else ""
        return self._entries(self._rows.waiting(app, name, limit))

    def _get(self, id: str) -> ApprovalEntry:
        return self._entries([self._rows.get(self._toolbox.name, id)])[0]

    def _entries(self, gates: Sequence[Gate]) -> list[ApprovalEntry]:
        reads = self._rows.reads(gates) if gates else {}
        return [_entry(gate, reads[gate.inputs]) for gate in gates]


def _entry(gate: Gate, reads: Sequence[Read]) -> ApprovalEntry:
    state = "pending" if gate.state == "waiting" else gate.state
    return ApprovalEntry(
        id=approval_id(gate),
        asset=gate.asset.split("/", 1)[-1],
        partition=PartitionKey(gate.key).value,
        run_id=gate.run,
        message=gate.message,
        state=_STATES[gate.decision] if gate.decided else state,
        version=gate.held or "",
        inputs={read.parameter: read.version for read in reads},
        outdated=[read.parameter for read in reads if not read.current],
        opened_at=gate.opened_at,
        deadline=gate.deadline,
        on_timeout=gate.on_timeout,
        escalate_to=gate.escalate_to,
        escalated_to=gate.escalated_to,
        reminders=[from_millis(millis) for millis in gate.reminders],
        decided_at=gate.decided_at,
        winner=gate.winner,
        comment=gate.comment,
        edited=gate.edits is not None,
        required=gate.required,
    )
