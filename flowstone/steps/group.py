"""What a pack has finished: stored together, committed together.

A group is committed 50 ms after the first of its values, by a thread of its own,
whatever runs meanwhile.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TypedDict

from flowstone.core.errors import AssetFailed, FlowstoneError
from flowstone.core.events import (
    Event,
    GateExtended,
    GateOpened,
    MaterializationFailed,
    MaterializationStarted,
    MaterializationStopped,
)
from flowstone.core.messages import Left, Produced, Reply, Superseded
from flowstone.ledger.base import (
    Attempt,
    Commit,
    Dispatch,
    Ending,
    Holding,
    Making,
    Version,
    Wanted,
)
from flowstone.steps.cells import place
from flowstone.steps.points import reach
from flowstone.steps.shelf import Finished, Shelf
from flowstone.steps.toolbox import Job, Toolbox

__all__ = ["Group"]

_SECONDS = 0.05
_SHOWN = 500
"""Characters of an error's text that its event repeats; the ledger has all of it."""


class _Place(TypedDict):
    """Where and when something happened, as every event says it."""

    asset: str
    key: str
    run: str
    at: datetime


class Group:
    """Collects what cells ended with, and commits it.

    Args:
        toolbox: where the ledger is.
        job: the run.
        who: the dispatch.
        shelf: where the values are.
        replies: what became of each cell; corrected where the ledger refuses.
    """

    def __init__(
        self,
        toolbox: Toolbox,
        job: Job,
        who: Dispatch,
        shelf: Shelf,
        replies: dict[tuple[int, int], Reply],
    ) -> None:
        self._toolbox = toolbox
        self._job = job
        self._who = who
        self._shelf = shelf
        self._replies = replies
        self._lock = threading.RLock()
        self._made: list[Finished] = []
        self._reusing: list[tuple[Wanted, Version]] = []
        self._ending: list[Ending] = []
        self._holding: list[Holding] = []
        self._news: list[Event] = []
        self._timer: threading.Timer | None = None
        self._broken: BaseException | None = None

    # --- what cells ended with ------------------------------------------------------

    def start(self, want: Wanted) -> None:
        """Take in that a function is called; it is recorded with how it ended."""
        event = MaterializationStarted(**self._place(want), attempt=want.number)
        with self._lock:
            self._news.append(event)

    def leave(self, want: Wanted, attempt: Attempt) -> None:
        """Take in an attempt that was not made after all."""
        with self._lock:
            self._ending.append(Ending(wanted=want, attempt=attempt, state="left"))

    def make(self, made: Finished) -> None:
        """Take in a value."""
        with self._lock:
            self._made.append(made)
            if self._timer is None:
                self._timer = threading.Timer(_SECONDS, self._commit_later)
                self._timer.daemon = True
                self._timer.start()

    def reuse(self, want: Wanted, version: Version) -> None:
        """Take in a version that is as good."""
        with self._lock:
            self._shelf.versions[want.cell] = version
            self._reusing.append((want, version))

    def end(
        self,
        want: Wanted,
        attempt: Attempt,
        state: str,
        *,
        reason: str = "",
        error: FlowstoneError | None = None,
        retryable: bool | None = None,
    ) -> None:
        """Take in an attempt that ended without a value."""
        end = Ending(
            wanted=want, attempt=attempt, state=state, reason=reason, error=error
        )
        if state == "failed":
            event = self._failed(want, error, retryable)
        else:
            event = MaterializationStopped(
                **self._place(want),
                outcome=state,
                attempt=want.number,
                reason=reason or None,
            )
        with self._lock:
            self._ending.append(end)
            self._news.append(event)

    def _failed(
        self, want: Wanted, error: FlowstoneError | None, retryable: bool | None
    ) -> Event:
        raised = isinstance(error, AssetFailed)
        return MaterializationFailed(
            **self._place(want),
            outcome="failed",
            attempt=want.number,
            error_type=error.error_type if raised else type(error).__name__,
            error=(error.error if raised else str(error))[:_SHOWN],
            retryable=retryable,
            fingerprint=error.fingerprint if raised else None,
        )

    def produced(self, want: Wanted, attempt: Attempt, millis: int) -> Event:
        """Tell of a value; it is recorded where it is committed."""
        return MaterializationStopped(
            **self._place(want),
            outcome="produced",
            attempt=want.number,
            version=attempt.id,
            millis=millis,
        )

    def hold(self, holding: Holding, told_as: type[GateOpened | GateExtended]) -> None:
        """Take in a wait at a gate, and as what it is told."""
        seconds = holding.timeout_seconds
        event = told_as(
            **self._place(holding.wanted),
            outcome="held",
            gate=holding.gate,
            timeout_millis=None if seconds is None else round(seconds * 1000),
        )
        with self._lock:
            self._holding.append(holding)
            self._news.append(event)

    @property
    def holding(self) -> list[Holding]:
        """The waits that are not committed yet."""
        return list(self._holding)

    def _place(self, want: Wanted) -> _Place:
        """Say where and when something happens to a cell: now."""
        return _Place(
            asset=self._job.plan.nodes[want.node].asset,
            key=want.key,
            run=self._who.run,
            at=datetime.now(UTC),
        )

    # --- committing -----------------------------------------------------------------

    def check(self) -> None:
        """Raise what broke a commit in the background."""
        if self._broken is not None:
            raise self._broken

    def drop(self) -> None:
        """Let go of everything where the world has broken the pack, if it lets us.

        Its attempts count for nothing then: no worker was lost, and no function failed.
        """
        with self._lock, contextlib.suppress(Exception):
            self._toolbox.ledger.packs.drop(self._who, self._toolbox.name)

    def stop(self) -> None:
        """Leave what is not committed."""
        if self._timer is not None:
            self._timer.cancel()

    def _commit_later(self) -> None:
        try:
            self.commit()
        except BaseException as error:  # noqa: BLE001 - raised in the step's thread
            self._broken = error

    def commit(self, *, release: bool = False, end_run: bool = False) -> bool:
        """Store and commit what is finished; give whether nothing was refused.

        Args:
            release: whether the pack is over, and lets go of all its claims.
            end_run: whether the run ends with it.
        """
        with self._lock:
            self.stop()
            self._timer = None
            made = [m for m in self._made if m.wanted.cell in self._shelf.finished]
            self._made = []
            if not (made or release or self._reusing or self._ending or self._holding):
                return True
            reach("store.before")
            self._shelf.store(made)
            reach("commit.before")
            what = Commit(
                making=[_making(m) for m in made],
                reusing=self._reusing,
                ending=self._ending,
                holding=self._holding,
                news=[*self._news, *(m.told for m in made)],
                release=release,
                end_run=end_run,
            )
            packs = self._toolbox.ledger.packs
            done = packs.commit(self._who, self._toolbox.name, what)
            reach("commit.after")
            self._reusing, self._ending, self._holding, self._news = [], [], [], []
            good = self._take(done.verdicts)
        self._toolbox.telemetry.emit(done.news)
        return good

    def _take(self, verdicts: Mapping[tuple[int, int], str]) -> bool:
        """Correct the replies of cells whose commit was refused."""
        answers: dict[str, Reply] = {
            "made": Produced(millis=-1),
            "superseded": Superseded(),
            "left": Left(),
        }
        refused = {c: answers[v] for c, v in verdicts.items() if v in answers}
        for cell, reply in refused.items():
            self._shelf.forget(cell)
            self._replies[cell] = reply
            self._leave_readers(cell)
        return not refused

    def _leave_readers(self, lost: tuple[int, int]) -> None:
        """Leave what was made from a value that is not this run's after all."""
        nodes = self._job.plan.nodes
        for made in list(self._shelf.finished.values()):
            cell = made.wanted.cell
            edges = nodes[cell[0]].edges
            reads = {place(self._job, e.node, cell[1]) for e in edges if e.parameter}
            uncommitted = any(m is made for m in self._made)
            if lost in reads and uncommitted and cell in self._shelf.finished:
                self._shelf.forget(cell)
                self._replies[cell] = Left()
                self._leave_readers(cell)


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
