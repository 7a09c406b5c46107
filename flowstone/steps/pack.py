"""Run a pack: open it, make its cells in order under a budget, commit in groups.

Finished values are committed together 50 ms after the first of them, whatever runs
meanwhile. What a reader in the pack gets is what was stored, decoded anew.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from flowstone.core.messages import (
    Busy,
    Cancelled,
    Cell,
    Held,
    Left,
    Missing,
    NotHere,
    PackReply,
    Produced,
    Raised,
    Reply,
    Reused,
    RunAssets,
    Skipped,
    Snoozed,
    Superseded,
)
from flowstone.core.errors import FlowstoneError, NotSupported, WorkerLost
from flowstone.core.outcome import Approval, Signal, Skip, Snooze
from flowstone.core.plan import Node
from flowstone.core.token import gate_id
from flowstone.ledger.base import (
    Claimed,
    Dispatch,
    Ending,
    Event,
    Holding,
    Making,
    Version,
    Wanted,
)
from flowstone.steps.cells import not_here, partition, wanted
from flowstone.steps.invoke import Failure, Invocation, Returned, Stopped, failure, invoke
from flowstone.steps.points import reach
from flowstone.steps.shelf import Finished, NotStorable, Shelf
from flowstone.steps.toolbox import Call, Job, Toolbox

__all__ = ["Pack", "run_assets"]

_GROUP_SECONDS = 0.05
_LOST_WORKERS = 5


def run_assets(toolbox: Toolbox, call: Call, step: RunAssets) -> PackReply:
    """Make the cells of a pack."""
    job = toolbox.job(step.run)
    cells = [Cell(*c) for c in step.cells]
    if job is None:
        # The database has forgotten the run: nothing of it can be made here.
        return PackReply(replies=[Left() for _ in cells], closed=True)
    pack = Pack(toolbox, call, job, call.dispatch(step.run, step.dispatch))
    return pack.run(cells, budget=step.budget / 1000, last=step.last)


class Pack:
    """One attempt at one pack."""

    def __init__(
        self, toolbox: Toolbox, call: Call, job: Job, who: Dispatch
    ) -> None:
        self._toolbox = toolbox
        self._call = call
        self._job = job
        self._who = who
        self._shelf = Shelf(toolbox, job, {})
        self._replies: dict[tuple[int, int], Reply] = {}
        self._lock = threading.RLock()
        self._group: list[Finished] = []
        self._reusing: list[tuple[Wanted, Version]] = []
        self._ending: list[Ending] = []
        self._holding: list[Holding] = []
        self._news: list[Event] = []
        self._timer: threading.Timer | None = None
        self._broken: BaseException | None = None

    # --- the whole ------------------------------------------------------------------

    def run(self, cells: Sequence[Cell], *, budget: float, last: bool) -> PackReply:
        """Make the cells; say what became of each."""
        here = self._present(cells)
        rerun = self._who.attempt > 1 and len(cells) > 1
        reach("open.before")
        opened = self._toolbox.ledger.packs.open(
            self._who, self._toolbox.name, list(here.values()), rerun=rerun
        )
        if opened.closed:
            return PackReply(replies=[Left() for _ in cells], closed=True)
        self._shelf = Shelf(self._toolbox, self._job, opened.inputs)
        found = dict(zip(here, opened.cells, strict=True))
        if rerun:
            return PackReply(replies=[_left_over(found.get(_at(c))) for c in cells])
        began = time.monotonic()
        try:
            for cell in cells:
                if _at(cell) in here and _at(cell) not in self._replies:
                    spent = time.monotonic() - began > budget and bool(self._replies)
                    self._make(cell, here[_at(cell)], found[_at(cell)], spent=spent)
        finally:
            if self._timer is not None:
                self._timer.cancel()
        ended = self._finish(last=last)
        reach("reply.before")
        replies = [self._replies[_at(c)] for c in cells]
        return PackReply(replies=replies, ended=ended)

    def _present(self, cells: Sequence[Cell]) -> dict[tuple[int, int], Wanted]:
        """Tell the cells that this worker can make from those it cannot."""
        here: dict[tuple[int, int], Wanted] = {}
        for cell in cells:
            absent = not_here(self._toolbox, self._job.plan.nodes[cell.node])
            if absent is not None:
                self._replies[_at(cell)] = absent
            else:
                here[_at(cell)] = wanted(self._toolbox, self._job, cell)
        return here

    # --- one cell -------------------------------------------------------------------

    def _make(
        self, cell: Cell, want: Wanted, claimed: Claimed, *, spent: bool
    ) -> None:
        if self._broken is not None:
            raise self._broken
        reply = self._without_running(want, claimed, spent=spent)
        if reply is None:
            reply = self._input_trouble(cell, want)
        if reply is None:
            reply = self._invoke(cell, want, claimed)
        self._replies[want.cell] = reply

    def _without_running(
        self, want: Wanted, claimed: Claimed, *, spent: bool
    ) -> Reply | None:
        """Answer a cell that is not to be run now, if it is such a one."""
        if claimed.made:
            return Produced()
        if claimed.held:
            gate = self._toolbox.ledger.gates.get(self._gate(want))
            return _held(gate.id, gate.deadline) if gate else Left()
        if claimed.reused is not None:
            with self._lock:
                self._shelf.versions[want.cell] = claimed.reused
                self._reusing.append((want, claimed.reused))
            return Reused()
        if claimed.busy is not None:
            owner, gate_name = claimed.busy
            return Busy(owner=owner, gate=gate_name)
        if claimed.lost >= _LOST_WORKERS:
            return self._give_up(want, claimed)
        if self._call.cancelled.is_set():
            return Cancelled()
        return Left() if spent else None

    def _give_up(self, want: Wanted, claimed: Claimed) -> Reply:
        assert claimed.attempt is not None
        error = WorkerLost(
            asset=self._name(want),
            partition=want.key,
            times=claimed.lost,
            run_id=self._who.run,
        )
        self._end(want, claimed, "failed", error=error)
        return Raised(retryable=False)

    def _input_trouble(self, cell: Cell, want: Wanted) -> Reply | None:
        """Leave a cell whose inputs are not there; tell those that should be."""
        edges = self._job.plan.nodes[cell.node].edges
        missing = [
            e.node
            for e in edges
            if e.parameter
            and e.node not in cell.absent
            and not self._shelf.has((e.node, cell.key))
        ]
        # What merely comes first, or was not made in this pack, is left to the flow.
        inside = [(e.node, cell.key) for e in edges if (e.node, cell.key) in self._replies]
        unmade = [i for i in inside if not isinstance(self._replies[i], Produced | Reused)]
        if unmade:
            return Left()
        waiting = [
            (e.node, cell.key)
            for e in edges
            if not e.parameter and self._is_pending(e.node, cell.key)
        ]
        if waiting:
            return Left()
        return Missing(nodes=missing) if missing else None

    def _is_pending(self, node: int, key: int) -> bool:
        reply = self._replies.get((node, key))
        return reply is not None and not isinstance(reply, Produced | Reused)

    def _invoke(self, cell: Cell, want: Wanted, claimed: Claimed) -> Reply:
        what = self._invocation(cell, want)
        needs = [n.parameter for n in what.asset.wiring.needs]
        return self._call_user(cell, want, claimed, what, needs)

    def _invocation(self, cell: Cell, want: Wanted) -> Invocation:
        asset = self._toolbox.pipeline.assets[self._name(want)]
        node = self._job.plan.nodes[cell.node]
        return Invocation(
            asset=asset,
            key=want.key,
            partition=partition(self._job, node, cell.key),
            run=self._who.run,
            attempt=cell.attempt,
            function=asset.function,
            hints=asset.hints.parameters,
            token=lambda: self._token(want),
            takes_context=asset.wiring.takes_context,
        )

    def _call_user(
        self,
        cell: Cell,
        want: Wanted,
        claimed: Claimed,
        what: Invocation,
        parameters: Sequence[str],
    ) -> Reply:
        """Load what a function reads, call it, and take in what it did."""
        node = self._job.plan.nodes[cell.node]
        present = [
            e
            for e in node.edges
            if e.parameter and e.parameter in parameters and e.node not in cell.absent
        ]
        try:
            inputs = {
                e.parameter: self._shelf.load(
                    (e.node, cell.key), what.hints.get(e.parameter)
                )
                for e in present
            }
        except FlowstoneError as error:
            return self._fold_failure(want, claimed, failure(what, error))
        reads = [
            (e.parameter, self._shelf.version_id((e.node, cell.key))) for e in present
        ]
        reach("user.before")
        done = invoke(self._toolbox, self._call, what, inputs)
        reach("user.after")
        match done:
            case Stopped():
                self._end(want, claimed, "cancelled")
                return Cancelled()
            case Failure():
                return self._fold_failure(want, claimed, done)
            case Returned():
                return self._fold_value(want, claimed, what, node, done, reads)

    # --- what it did ----------------------------------------------------------------

    def _fold_value(  # noqa: PLR0913
        self,
        want: Wanted,
        claimed: Claimed,
        what: Invocation,
        node: Node,
        done: Returned,
        reads: Sequence[tuple[str, str]],
    ) -> Reply:
        assert claimed.attempt is not None
        match done.value:
            case Skip(reason=reason):
                self._end(want, claimed, "skipped", reason=reason)
                return Skipped()
            case Snooze(delay=delay):
                self._end(want, claimed, "snoozed")
                return Snoozed(millis=round(delay.total_seconds() * 1000))
            case Signal():
                return self._fold_signal(want, claimed, what, done.value)
            case Approval():
                error = NotSupported(what="Approval(...)")
                return self._fold_failure(want, claimed, failure(what, error))
            case value:
                made = Finished(
                    wanted=want,
                    attempt=claimed.attempt,
                    node=node,
                    millis=done.millis,
                    facts=done.facts,
                    reads=reads,
                )
                try:
                    self._shelf.put(made, value)
                except NotStorable as error:
                    cause = error.__cause__ or error
                    bad = failure(what, cause)
                    final = Failure(error=bad.error, retryable=False)
                    return self._fold_failure(want, claimed, final)
                self._add(made)
                return Produced(millis=done.millis)

    def _fold_signal(
        self, want: Wanted, claimed: Claimed, what: Invocation, signal: Signal[object]
    ) -> Reply:
        assert claimed.attempt is not None
        refused = _refused(signal)
        if refused is not None:
            bad = failure(what, refused)
            final = Failure(error=bad.error, retryable=False)
            return self._fold_failure(want, claimed, final)
        timeout = signal.timeout
        hold = Holding(
            wanted=want,
            attempt=claimed.attempt,
            gate=self._gate(want),
            timeout_seconds=None if timeout is None else timeout.total_seconds(),
            on_timeout=signal.on_timeout,
        )
        with self._lock:
            self._holding.append(hold)
            self._news.append(self._event(want, "flowstone.signal_gate.create", "held"))
        return Held(gate=hold.gate)

    def _fold_failure(self, want: Wanted, claimed: Claimed, bad: Failure) -> Reply:
        self._end(want, claimed, "failed", error=bad.error)
        after = -1 if bad.after is None else round(bad.after.total_seconds() * 1000)
        return Raised(retryable=bad.retryable, after=after)

    def _end(
        self,
        want: Wanted,
        claimed: Claimed,
        state: str,
        *,
        reason: str = "",
        error: FlowstoneError | None = None,
    ) -> None:
        assert claimed.attempt is not None
        end = Ending(
            wanted=want,
            attempt=claimed.attempt,
            state=state,
            reason=reason,
            error=error,
        )
        name = "exception" if state == "failed" else "stop"
        event = self._event(want, f"flowstone.materialization.{name}", state)
        with self._lock:
            self._ending.append(end)
            self._news.append(event)

    def _event(self, want: Wanted, name: str, outcome: str) -> Event:
        return Event(
            name=name,
            asset=self._name(want),
            key=want.key,
            run=self._who.run,
            outcome=outcome,
        )

    def _name(self, want: Wanted) -> str:
        return self._job.plan.nodes[want.node].asset

    def _gate(self, want: Wanted) -> str:
        return gate_id(self._who.run, want.node, want.key_number)

    def _token(self, want: Wanted) -> str:
        # Whoever gets the token may answer at once: what was made comes first.
        self._commit()
        return self._toolbox.token(self._gate(want))

    # --- committing -----------------------------------------------------------------

    def _add(self, made: Finished) -> None:
        with self._lock:
            self._group.append(made)
            if self._timer is None:
                self._timer = threading.Timer(_GROUP_SECONDS, self._commit_later)
                self._timer.daemon = True
                self._timer.start()

    def _commit_later(self) -> None:
        try:
            self._commit()
        except BaseException as error:  # noqa: BLE001 - raised in the step's thread
            self._broken = error

    def _commit(self, *, release: bool = False, end_run: bool = False) -> bool:
        """Store and commit what is finished; give whether nothing was refused."""
        with self._lock:
            self._timer = None
            group, self._group = self._group, []
            group = [made for made in group if made.wanted.cell in self._shelf.finished]
            if not (group or release or self._reusing or self._ending or self._holding):
                return True
            reach("store.before")
            self._shelf.store(group)
            reach("commit.before")
            making = [_making(made) for made in group]
            news = self._news + [self._made(m) for m in making]
            verdicts = self._toolbox.ledger.packs.commit(
                self._who,
                self._toolbox.name,
                making,
                reusing=self._reusing,
                ending=self._ending,
                holding=self._holding,
                news=news,
                release=release,
                end_run=end_run,
            )
            reach("commit.after")
            self._reusing, self._ending, self._holding = [], [], []
            self._news = []
            return self._take_verdicts(verdicts)

    def _made(self, made: Making) -> Event:
        name = "flowstone.materialization.stop"
        event = self._event(made.wanted, name, "produced")
        return Event(
            name=name,
            asset=event.asset,
            key=event.key,
            run=event.run,
            outcome="produced",
            data={"version": made.attempt.id, "millis": made.millis},
        )

    def _take_verdicts(self, verdicts: dict[tuple[int, int], str]) -> bool:
        good = True
        for cell, verdict in verdicts.items():
            if verdict in {"committed", "held"}:
                continue
            good = False
            self._shelf.forget(cell)
            self._replies[cell] = {
                "made": Produced(),
                "superseded": Superseded(),
                "left": Left(),
            }[verdict]
            self._leave_readers(cell)
        return good

    def _leave_readers(self, lost: tuple[int, int]) -> None:
        """Leave what was made from a value that is not this run's after all."""
        nodes = self._job.plan.nodes
        for made in list(self._shelf.finished.values()):
            cell = made.wanted.cell
            reads = {(e.node, cell[1]) for e in nodes[cell[0]].edges if e.parameter}
            if lost in reads and made.stored is None:
                self._shelf.forget(cell)
                self._replies[cell] = Left()
                self._leave_readers(cell)

    def _finish(self, *, last: bool) -> bool:
        """Commit what is left, and let go of every claim."""
        if self._broken is not None:
            raise self._broken
        done = all(isinstance(r, Produced | Reused) for r in self._replies.values())
        holding = list(self._holding)
        good = self._commit(release=True, end_run=last and done)
        for hold in holding:
            self._replies[hold.wanted.cell] = self._opened_gate(hold)
        return last and done and good

    def _opened_gate(self, hold: Holding) -> Reply:
        gates = self._toolbox.ledger.gates
        gate = gates.get(hold.gate)
        if gate is None:
            return Superseded()
        answered = gate.state != "waiting" or gates.has_answer(hold.gate)
        return Held(gate=gate.id, deadline=gate.deadline, answered=answered)


def _at(cell: Cell) -> tuple[int, int]:
    return (cell.node, cell.key)


def _held(gate: str, deadline: object) -> Held:
    # Its answer may have come while nobody listened: have the flow ask.
    return Held(gate=gate, deadline=deadline, answered=True)  # pyright: ignore[reportArgumentType]


def _left_over(claimed: Claimed | None) -> Reply:
    """Answer a cell of a pack whose worker was lost."""
    if claimed is None:
        return NotHere(why="The worker that answered lacks the asset.")
    return Produced() if claimed.made else Left(solo=True)


def _refused(signal: Signal[object]) -> NotSupported | None:
    if signal.key is not None:
        return NotSupported(what="Signal(key=...)", instead="Pass on ctx.token.")
    if signal.on_timeout in {"extend", "rerun"}:
        return NotSupported(
            what=f"Signal(on_timeout={signal.on_timeout!r})",
            instead="Use 'fail' or 'cancel', or decide in .on_timeout.",
        )
    return None


def _making(made: Finished) -> Making:
    assert made.stored is not None
    return Making(
        wanted=made.wanted,
        attempt=made.attempt,
        code=made.node.code,
        location=made.stored.location,
        size=made.stored.bytes,
        digest=made.stored.digest,
        facts=made.stored.facts,
        metadata=made.facts,
        millis=made.millis,
        reads=made.reads,
    )
