"""Settle gates: ask how they stand, and make the values of those that are answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flowstone.core.errors import CodecError, GateTimedOut
from flowstone.core.hints import read_hints
from flowstone.core.messages import (
    Cancelled,
    Cell,
    Held,
    Left,
    PackReply,
    Reply,
    SettleGates,
)
from flowstone.core.token import gate_id
from flowstone.io import codecs
from flowstone.ledger.base import Claimed, Gate, Wanted
from flowstone.steps.cells import wanted
from flowstone.steps.invoke import Failure, Invocation, Returned, failure
from flowstone.steps.pack import Pack
from flowstone.steps.shelf import Shelf
from flowstone.steps.toolbox import Call, Toolbox

__all__ = ["settle_gates"]

At = tuple[int, int]


def settle_gates(toolbox: Toolbox, call: Call, step: SettleGates) -> PackReply:
    """Settle the gates of cells."""
    job = toolbox.job(step.run)
    cells = [Cell(*c) for c in step.cells]
    closed = PackReply(replies=[Left() for _ in cells], closed=True)
    if job is None:
        return closed
    ids = {gate_id(step.run, c.node, c.key): (c.node, c.key) for c in cells}
    found = toolbox.ledger.gates.settle(list(ids), expired=step.expired)
    gates = {ids[name]: gate for name, gate in found.items()}
    if any(g.state == "abandoned" for g in gates.values()):
        return closed
    replies: dict[At, Reply] = {
        at: Held(gate=g.id, deadline=g.deadline) for at, g in gates.items()
    }
    decided = [c for c in cells if _is_decided(gates.get((c.node, c.key)))]
    if decided:
        who = call.dispatch(step.run, step.dispatch)
        done = _Answered(toolbox, call, job, who).settle(decided, gates)
        if done is None:
            return closed
        replies |= done
    return PackReply(replies=[replies.get((c.node, c.key), Left()) for c in cells])


def _is_decided(gate: Gate | None) -> bool:
    return gate is not None and gate.state in {"decided", "expired"}


class _Answered(Pack):
    """Makes values from answers, by the companions of their assets."""

    def settle(
        self, cells: Sequence[Cell], gates: Mapping[At, Gate]
    ) -> dict[At, Reply] | None:
        """Make them; `None` where the run has ended."""
        here = self._present(cells, {at: g.id for at, g in gates.items()})
        wants = list(here.values())
        opened = self._toolbox.ledger.packs.open(
            self._who, self._toolbox.name, wants, rerun=False
        )
        if opened.closed:
            return None
        self._shelf = Shelf(self._toolbox, self._job, opened.inputs)
        found = dict(zip(here, opened.cells, strict=True))
        for cell in cells:
            at = (cell.node, cell.key)
            if at in here:
                self._replies[at] = self._settle(cell, here[at], found[at], gates[at])
        self._finish(last=False)
        return self._replies

    def _settle(
        self, cell: Cell, want: Wanted, claimed: Claimed, gate: Gate
    ) -> Reply:
        reply = self._without_running(want, claimed, spent=False)
        if reply is not None:
            return reply
        if gate.state == "expired":
            return self._expire(cell, want, claimed, gate)
        return self._answer(cell, want, claimed, gate)

    def _answer(
        self, cell: Cell, want: Wanted, claimed: Claimed, gate: Gate
    ) -> Reply:
        what = self._invocation(cell, want)
        companion = what.asset.companions.get("on_signal")
        payload = (gate.payload or "null").encode()
        encoded = ("json", payload)
        if companion is None:
            hint = what.asset.hints.returns
            try:
                value = codecs.decode(encoded, hint)
            except CodecError as error:
                return self._fold_final(want, claimed, failure(what, error))
            done = Returned(value=value, millis=0, facts={})
            node = self._job.plan.nodes[cell.node]
            return self._fold_value(want, claimed, what, node, done, ())
        hints = read_hints(companion).parameters
        first = next(iter(companion.__code__.co_varnames), "")
        try:
            value = codecs.decode(encoded, hints.get(first))
        except CodecError as error:
            return self._fold_final(want, claimed, failure(what, error))
        return self._by_companion(cell, want, claimed, what, "on_signal", (value,))

    def _expire(
        self, cell: Cell, want: Wanted, claimed: Claimed, gate: Gate
    ) -> Reply:
        what = self._invocation(cell, want)
        if "on_timeout" in what.asset.companions:
            return self._by_companion(cell, want, claimed, what, "on_timeout", ())
        if gate.on_timeout == "cancel":
            self._end(want, claimed, "cancelled", reason="no signal came in time")
            return Cancelled()
        waited = gate.deadline - gate.opened_at if gate.deadline else None
        error = GateTimedOut(
            asset=what.asset.name,
            partition=want.key,
            run_id=self._who.run,
            waited_seconds=waited.total_seconds() if waited else 0.0,
        )
        return self._fold_failure(want, claimed, Failure(error=error, retryable=False))

    def _by_companion(
        self,
        cell: Cell,
        want: Wanted,
        claimed: Claimed,
        what: Invocation,
        companion: str,
        supplied: tuple[object, ...],
    ) -> Reply:
        function = what.asset.companions[companion]
        wiring = what.asset.companion_wiring(companion)
        return self._call_user(
            cell,
            want,
            claimed,
            what.by(
                function,
                supplied=supplied,
                takes_context=wiring.takes_context,
                hints=read_hints(function).parameters,
            ),
            [n.parameter for n in wiring.needs],
        )

    def _fold_final(self, want: Wanted, claimed: Claimed, bad: Failure) -> Reply:
        final = Failure(error=bad.error, retryable=False)
        return self._fold_failure(want, claimed, final)

    def _present(
        self, cells: Sequence[Cell], gates: Mapping[At, str] | None = None
    ) -> dict[At, Wanted]:
        here = super()._present(cells)
        named = gates or {}
        return {
            at: wanted(self._toolbox, self._job, c, gate=named[at])
            for c in cells
            if (at := (c.node, c.key)) in here
        }
