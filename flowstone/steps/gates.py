"""Settle gates: ask how they stand, and make the values of those that are answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flowstone.core.errors import (
    ApprovalRejected,
    CodecError,
    GateTimedOut,
    NotSupported,
)
from flowstone.core.hints import read_hints
from flowstone.core.messages import Cell, SettleGates
from flowstone.core.outcome import Signal
from flowstone.core.replies import (
    Cancelled,
    Left,
    NotHere,
    PackReply,
    Produced,
    Reply,
)
from flowstone.core.token import gate_id
from flowstone.io import codecs
from flowstone.ledger.base import Claimed, Gate, Wanted
from flowstone.steps.cells import not_here, placed, wanted
from flowstone.steps.edits import ORIGINAL, read_edits
from flowstone.steps.invoke import Failure, Invocation, Returned
from flowstone.steps.pack import Pack
from flowstone.steps.payloads import payload_hint
from flowstone.steps.replies import closed, held_at
from flowstone.steps.shelf import Shelf
from flowstone.steps.toolbox import Call, Toolbox

__all__ = ["settle_gates"]

At = tuple[int, int]


def settle_gates(toolbox: Toolbox, call: Call, step: SettleGates) -> PackReply:
    """Settle the gates of cells."""
    job = toolbox.job(step.run)
    if job is None:
        return closed(step.cells)
    cells = placed(job, step.cells)
    ids = {gate_id(step.run, c.node, c.key): (c.node, c.key) for c in cells}
    found = toolbox.ledger.gates.settle(
        list(ids),
        expired=step.expired,
        # A flow of an earlier release does not say which instant it was.
        instants=dict(zip(ids, step.instants, strict=False)),
    )
    toolbox.telemetry.emit(found.news)
    gates = {ids[name]: gate for name, gate in found.gates.items()}
    if any(g.state == "abandoned" for g in gates.values()):
        return closed(cells)
    replies: dict[At, Reply] = {at: held_at(gate) for at, gate in gates.items()}
    replies |= {ids[name]: Left() for name in found.anew}
    decided = [
        c
        for c in cells
        if (gate := gates.get((c.node, c.key))) is not None
        and gate.decided
        and gate.id not in found.anew
    ]
    if decided:
        who = call.dispatch(step.run, step.dispatch)
        done = _Answered(toolbox, call, job, who).settle(decided, gates)
        if done is None:
            return closed(cells)
        replies |= done
    return PackReply(replies=[replies.get((c.node, c.key), Left()) for c in cells])


class _Answered(Pack):
    """Makes values from answers, by the companions of their assets."""

    _gates: Mapping[At, Gate]

    def settle(
        self, cells: Sequence[Cell], gates: Mapping[At, Gate]
    ) -> dict[At, Reply] | None:
        """Make them; `None` where the run has ended."""
        self._gates = gates
        here = self._present(cells)
        wants = list(here.values())
        opened = self._toolbox.ledger.packs.open(
            self._who, self._toolbox.name, wants, rerun=False
        )
        if opened.closed:
            return None
        self._take_shelf(Shelf(self._toolbox, self._job, opened.inputs))
        found = dict(zip(here, opened.cells, strict=True))
        try:
            for cell in cells:
                at = (cell.node, cell.key)
                if at in here:
                    reply = self._settle(cell, here[at], found[at], gates[at])
                    self._answer_for(at, reply)
            self._finish(last=False)
        except Exception:
            self._group.drop()
            raise
        finally:
            self._group.stop()
        return self._replies

    def _settle(self, cell: Cell, want: Wanted, claimed: Claimed, gate: Gate) -> Reply:
        reply = self._known(want, claimed)
        if reply is not None:
            return reply
        assert claimed.attempt is not None
        what = self._invocation(cell, want, claimed.attempt)
        if gate.kind == "approval":
            return self._conclude(what, gate)
        if gate.state == "expired":
            return self._expire(cell, what, gate)
        return self._answer(cell, what, gate)

    def _conclude(self, what: Invocation, gate: Gate) -> Reply:
        """Publish the value that was held back, or what it was edited to; or fail."""
        if gate.decision != "approve":
            error = ApprovalRejected(
                asset=what.asset.name,
                partition=what.want.key,
                run_id=self._who.run,
                reason=gate.comment,
                winner="" if gate.state == "expired" else gate.winner,
            )
            return self._fold_failure(what, Failure(error=error, retryable=False))
        assert gate.held is not None, "an approval holds a value back"
        if gate.edits is None:
            self._group.publish(what.want, what.attempt, gate.held)
            return Produced(millis=-1)
        try:
            value = codecs.decode(read_edits(gate.edits), what.asset.hints.returns)
        except CodecError as error:
            return self._fold_final(what, error)
        edited = Returned(value=value, millis=0, facts={})
        return self._fold_made(what, edited, [(ORIGINAL, gate.held)])

    def _answer(self, cell: Cell, what: Invocation, gate: Gate) -> Reply:
        companion = what.asset.companions.get("on_signal")
        payload = ("json", (gate.payload or "null").encode())
        try:
            value = codecs.decode(payload, payload_hint(what.asset))
        except CodecError as error:
            return self._fold_final(what, error)
        if companion is None:
            return self._fold_value(what, Returned(value=value, millis=0, facts={}), ())
        return self._by_companion(cell, what, "on_signal", (value,))

    def _expire(self, cell: Cell, what: Invocation, gate: Gate) -> Reply:
        if "on_timeout" in what.asset.companions:
            return self._by_companion(cell, what, "on_timeout", ())
        if gate.on_timeout == "cancel":
            reason = "no signal came in time"
            self._group.end(what.want, what.attempt, "cancelled", reason=reason)
            return Cancelled()
        waited = gate.deadline - gate.opened_at if gate.deadline else None
        error = GateTimedOut(
            asset=what.asset.name,
            partition=what.want.key,
            run_id=self._who.run,
            waited_seconds=waited.total_seconds() if waited else 0.0,
        )
        return self._fold_failure(what, Failure(error=error, retryable=False))

    def _fold_signal(
        self,
        what: Invocation,
        signal: Signal[object],
        reads: Sequence[tuple[str, str]],
    ) -> Reply:
        if not what.supplied:
            return super()._fold_signal(what, signal, reads)
        # Its gate is decided: it would be answered by the same payload, for ever.
        refused = NotSupported(
            what=f"Signal(...) from .on_signal of {what.asset.name!r}",
            instead="Return the value, or raise.",
        )
        return self._fold_final(what, refused)

    def _by_companion(
        self,
        cell: Cell,
        what: Invocation,
        companion: str,
        supplied: tuple[object, ...],
    ) -> Reply:
        function = what.asset.companions[companion]
        wiring = what.asset.companion_wiring(companion)
        reads = [n.parameter for n in wiring.needs]
        trouble = self._input_trouble(cell, reads)
        if trouble is not None:
            self._group.leave(what.want, what.attempt)
            return trouble
        by = what.by(
            function,
            supplied=supplied,
            takes_context=wiring.takes_context,
            hints=read_hints(function).parameters,
        )
        return self._call_user(cell, by, reads)

    def _present(self, cells: Sequence[Cell]) -> dict[At, Wanted]:
        here = super()._present(cells)
        return {
            at: wanted(self._toolbox, self._job, c, gate=self._gates[at].id)
            for c in cells
            if (at := (c.node, c.key)) in here
        }

    def _not_here(self, cell: Cell) -> NotHere | None:
        # What was approved was made long ago: newer code may publish it.
        decided = self._gates[(cell.node, cell.key)].kind == "approval"
        node = self._job.plan.nodes[cell.node]
        return not_here(self._toolbox, node, any_code=decided)
