"""Make the cells of a pack, one after the other, and commit them in groups.

What a reader in the pack gets is what was stored, decoded anew.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import ExitStack
from typing import cast

from flowstone.core.errors import FlowstoneError, WorkerLost
from flowstone.core.messages import Cell
from flowstone.core.outcome import Approval, Signal, Skip, Snooze
from flowstone.core.plan import Edge
from flowstone.core.replies import (
    Busy,
    Cancelled,
    Held,
    Left,
    Missing,
    NotHere,
    Produced,
    Raised,
    Reply,
    Reused,
    Skipped,
    Snoozed,
    Superseded,
)
from flowstone.core.token import gate_id
from flowstone.io.streams import SourceFailed
from flowstone.ledger.base import Attempt, Claimed, Dispatch, Wanted
from flowstone.steps.cells import (
    not_here,
    note_absence,
    partition,
    place,
    wanted,
)
from flowstone.steps.group import Group, making
from flowstone.steps.holding import for_approval, for_signal, taken
from flowstone.steps.invoke import (
    Failure,
    Invocation,
    Returned,
    Stopped,
    failure,
    invoke,
    stopped_or_failed,
    watched,
)
from flowstone.steps.lending import lend
from flowstone.steps.points import reach
from flowstone.steps.replies import held_at, in_millis, opened_gate
from flowstone.steps.shelf import Finished, NotStorable, Shelf
from flowstone.steps.toolbox import Call, Job, Toolbox

__all__ = ["Pack"]

_LOST_WORKERS = 5
At = tuple[int, int]


class Pack:
    """One attempt at one pack."""

    def __init__(self, toolbox: Toolbox, call: Call, job: Job, who: Dispatch) -> None:
        self._toolbox = toolbox
        self._call = call
        self._job = job
        self._who = who
        self._replies: dict[At, Reply] = {}
        self._take_shelf(Shelf(toolbox, job, {}))

    def _take_shelf(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._group = Group(self._toolbox, self._job, self._who, shelf, self._replies)

    # --- its cells ------------------------------------------------------------------

    def _present(self, cells: Sequence[Cell]) -> dict[At, Wanted]:
        """Tell the cells that this worker can make from those it cannot."""
        here: dict[At, Wanted] = {}
        for cell in cells:
            absent = self._not_here(cell)
            if absent is not None:
                self._replies[_at(cell)] = absent
            else:
                here[_at(cell)] = wanted(self._toolbox, self._job, cell)
        why = [r for r in self._replies.values() if isinstance(r, NotHere)]
        if why:
            note_absence(self._toolbox, self._job.run.request, why[0])
        return here

    def _not_here(self, cell: Cell) -> NotHere | None:
        return not_here(self._toolbox, self._job.plan.nodes[cell.node])

    def _answer_for(self, at: At, reply: Reply) -> None:
        # Where its commit was refused meanwhile, the group has answered already.
        self._replies.setdefault(at, reply)

    def _finish(self, *, last: bool) -> bool:
        """Commit what is left, and let go of every claim."""
        self._group.check()
        done = all(isinstance(r, Produced | Reused) for r in self._replies.values())
        good = self._group.commit(release=True, end_run=last and done)
        # Some may have been committed before, while the pack went on.
        for cell, reply in self._replies.items():
            if isinstance(reply, Held) and not reply.answered:
                gates = self._toolbox.ledger.gates
                self._replies[cell] = opened_gate(gates, reply.gate)
        return last and done and good

    # --- one cell -------------------------------------------------------------------

    def _make(
        self, cell: Cell, want: Wanted, claimed: Claimed, *, spent: bool
    ) -> Reply:
        reply = self._known(want, claimed)
        if reply is not None:
            return reply
        assert claimed.attempt is not None
        if claimed.lost >= _LOST_WORKERS:
            return self._give_up(want, claimed.attempt, claimed.lost)
        reply = self._input_trouble(cell) or self._too_late(spent=spent)
        if reply is not None:
            self._group.leave(want, claimed.attempt)
            return reply
        what = self._invocation(cell, want, claimed.attempt)
        needs = [n.parameter for n in what.asset.wiring.needs]
        return self._call_user(cell, what, needs)

    def _known(self, want: Wanted, claimed: Claimed) -> Reply | None:
        """Answer a cell that is not to be run now, if it is such a one."""
        if claimed.made or claimed.superseded:
            return Produced(millis=-1) if claimed.made else Superseded()
        if claimed.held:
            gate = self._toolbox.ledger.gates.get(self._gate(want))
            if gate is None:
                return Superseded()
            # Its answer may have come while nobody listened: have the flow ask.
            return held_at(gate, answered=True)
        if claimed.reused is not None:
            self._group.reuse(want, claimed.reused)
            return Reused()
        if claimed.busy is not None:
            owner, gate_name = claimed.busy
            return Busy(owner=owner, gate=gate_name)
        return None

    def _too_late(self, *, spent: bool) -> Reply | None:
        if self._call.cancelled.is_set():
            return Cancelled()
        return Left() if spent else None

    def _give_up(self, want: Wanted, attempt: Attempt, times: int) -> Reply:
        error = WorkerLost(
            asset=self._name(want),
            partition=want.key,
            times=times,
            run_id=self._who.run,
        )
        self._group.fail(want, attempt, error, retryable=False)
        return Raised(retryable=False)

    def _input_trouble(
        self, cell: Cell, among: Collection[str] | None = None
    ) -> Reply | None:
        """Leave a cell whose inputs are not there; name those that should be."""
        edges = self._job.plan.nodes[cell.node].edges
        if among is not None:
            edges = [e for e in edges if e.parameter in among]
        for edge in edges:
            beside = self._replies.get(self._place(edge, cell))
            if beside is not None and not isinstance(beside, Produced | Reused):
                return Left()
        read = [e for e in edges if e.parameter and e.node not in cell.absent]
        missing = [e.node for e in read if not self._shelf.has(self._place(e, cell))]
        return Missing(nodes=missing) if missing else None

    def _place(self, edge: Edge, cell: Cell) -> At:
        return place(self._job, edge.node, cell.key)

    def _invocation(self, cell: Cell, want: Wanted, attempt: Attempt) -> Invocation:
        asset = self._toolbox.pipeline.assets[self._name(want)]
        node = self._job.plan.nodes[cell.node]
        return Invocation(
            asset=asset,
            want=want,
            attempt=attempt,
            partition=partition(self._job, node, cell.key),
            run=self._who.run,
            function=asset.function,
            hints=asset.hints.parameters,
            token=lambda: self._token(want),
            takes_context=asset.wiring.takes_context,
        )

    def _call_user(
        self, cell: Cell, what: Invocation, parameters: Sequence[str]
    ) -> Reply:
        """Load what a function reads, call it, and take in what it did."""
        self._group.soon()
        lent = lend(self._toolbox, self._call, self._group, what)
        if not isinstance(lent, Invocation):
            return lent
        what = lent
        present = [
            e
            for e in self._job.plan.nodes[cell.node].edges
            if e.parameter and e.parameter in parameters and e.node not in cell.absent
        ]
        places = {e.parameter: self._place(e, cell) for e in present}
        reads = [(name, self._shelf.version_id(at)) for name, at in places.items()]
        with ExitStack() as held:
            try:
                inputs = self._shelf.load_all(places, what.hints, held)
            except FlowstoneError as error:
                return self._fold_failure(what, failure(what, error))
            self._group.start(what.want)
            reach("user.before")
            done = invoke(self._toolbox, self._call, what, inputs)
            reach("user.after")
            # within: the value may be read from what was loaded
            return self._fold(what, done, reads)

    # --- what it did ----------------------------------------------------------------

    def _fold(
        self,
        what: Invocation,
        done: Returned | Failure | Stopped,
        reads: Sequence[tuple[str, str]],
    ) -> Reply:
        match done:
            case Stopped():
                self._group.end(what.want, what.attempt, "cancelled")
                return Cancelled()
            case Failure():
                return self._fold_failure(what, done)
            case Returned():
                return self._fold_value(what, done, reads)

    def _fold_value(
        self, what: Invocation, done: Returned, reads: Sequence[tuple[str, str]]
    ) -> Reply:
        match done.value:
            case Skip(reason=reason):
                self._group.end(what.want, what.attempt, "skipped", reason=reason)
                return Skipped()
            case Snooze(delay=delay):
                self._group.end(what.want, what.attempt, "snoozed")
                return Snoozed(millis=in_millis(delay))
            case Signal():
                asked = cast("Signal[object]", done.value)
                return self._fold_signal(what, asked, reads)
            case Approval():
                held = cast("Approval[object]", done.value)
                return self._fold_approval(what, held, done, reads)
            case _:
                return self._fold_made(what, done, reads)

    def _fold_made(
        self, what: Invocation, done: Returned, reads: Sequence[tuple[str, str]]
    ) -> Reply:
        made = self._put(what, done, done.value, reads)
        if not isinstance(made, Finished):
            return made
        return Produced(millis=made.millis) if self._group.make(made) else Left()

    def _put(
        self,
        what: Invocation,
        done: Returned,
        value: object,
        reads: Sequence[tuple[str, str]],
    ) -> Finished | Reply:
        """Put a value on the shelf; where it cannot be stored, say what follows."""
        # What was waited for at a gate tells nothing of the function.
        millis = -1 if what.want.gate else done.millis
        made = Finished(
            wanted=what.want,
            attempt=what.attempt,
            node=self._job.plan.nodes[what.want.node],
            millis=millis,
            facts=done.facts,
            reads=reads,
            told=self._group.tell.produced(what.want, what.attempt, millis),
        )
        try:
            self._shelf.put(made, watched(self._call, value))
        except NotStorable as error:
            return self._fold_final(what, error.__cause__ or error)
        except SourceFailed as error:
            failed = stopped_or_failed(self._call, what, error.__cause__ or error)
            return self._fold(what, failed, reads)
        return made

    def _fold_signal(
        self,
        what: Invocation,
        signal: Signal[object],
        reads: Sequence[tuple[str, str]],
    ) -> Reply:
        gate = self._gate(what.want)
        refused = taken(self._toolbox.ledger.gates, what, signal, gate)
        if refused is not None:
            return self._fold_final(what, refused)
        self._group.hold(for_signal(what, signal, gate, reads))
        return Held(gate=gate)

    def _fold_approval(
        self,
        what: Invocation,
        approval: Approval[object],
        done: Returned,
        reads: Sequence[tuple[str, str]],
    ) -> Reply:
        """Store a value that nobody reads until somebody has decided on it."""
        made = self._put(what, done, approval.value, reads)
        if not isinstance(made, Finished):
            return made
        self._shelf.store([made])
        self._shelf.forget(what.want.cell)
        gate = self._gate(what.want)
        try:
            self._group.hold(for_approval(what, approval, gate, making(made)))
        except TypeError as error:
            return self._fold_final(what, error)
        return Held(gate=gate)

    def _fold_failure(self, what: Invocation, bad: Failure) -> Reply:
        self._group.fail(what.want, what.attempt, bad.error, retryable=bad.retryable)
        after = -1 if bad.after is None else in_millis(bad.after)
        return Raised(retryable=bad.retryable, after=after)

    def _fold_final(self, what: Invocation, error: BaseException) -> Reply:
        """Take in a failure that another attempt would only repeat."""
        bad = failure(what, error)
        return self._fold_failure(what, Failure(error=bad.error, retryable=False))

    # --- gates ----------------------------------------------------------------------

    def _name(self, want: Wanted) -> str:
        return self._job.plan.nodes[want.node].asset

    def _gate(self, want: Wanted) -> str:
        return gate_id(self._who.run, want.node, want.key_number)

    def _token(self, want: Wanted) -> str:
        # Whoever gets the token may answer at once: what was made comes first.
        gate = self._gate(want)
        token = self._toolbox.token(gate)
        with self._call.region.left():
            self._group.commit()
            self._toolbox.ledger.gates.hand_out(
                self._toolbox.name, gate, self._who, want
            )
        return token


def _at(cell: Cell) -> At:
    return (cell.node, cell.key)
