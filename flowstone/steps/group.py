"""What a pack has finished: stored together, committed together.

A group is committed 50 ms after the first of its values, by a thread of its own, where
something else runs meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress

from flowstone.core.errors import FlowstoneError
from flowstone.core.events import Event
from flowstone.core.replies import Left, Produced, Reply, Superseded
from flowstone.ledger.base import (
    Attempt,
    Commit,
    Dispatch,
    Ending,
    Holding,
    Making,
    Publishing,
    Version,
    Wanted,
)
from flowstone.steps.invoke import shown
from flowstone.steps.points import reach
from flowstone.steps.shelf import Finished, Shelf
from flowstone.steps.telling import Teller
from flowstone.steps.toolbox import Job, Toolbox

__all__ = ["Group", "making"]

_SECONDS = 0.05


class Group:
    """Collects what cells ended with, commits it, and tells of it then.

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
        self.tell = Teller(job)
        self._toolbox = toolbox
        self._who = who
        self._shelf = shelf
        self._replies = replies
        self._lock = threading.RLock()
        self._made: list[Finished] = []
        self._reusing: list[tuple[Wanted, Version]] = []
        self._ending: list[Ending] = []
        self._holding: list[Holding] = []
        self._publishing: list[Publishing] = []
        self._news: list[Event] = []
        self._lost: set[str] = set()
        self._timer: threading.Timer | None = None
        self._broken: BaseException | None = None

    # --- what cells ended with ------------------------------------------------------

    def start(self, want: Wanted) -> None:
        """Take in that a function is called; it is recorded with how it ended."""
        self.note(self.tell.started(want))

    def leave(self, want: Wanted, attempt: Attempt) -> None:
        """Take in an attempt that was not made after all."""
        with self._lock:
            self._ending.append(Ending(wanted=want, attempt=attempt, state="left"))

    def make(self, made: Finished) -> bool:
        """Take in a value; tell whether what it was made from is still this run's."""
        with self._lock:
            if not self._lost.isdisjoint(version for _, version in made.reads):
                self._discard(made)
                return False
            self._made.append(made)
            return True

    def soon(self) -> None:
        """Have what is finished be committed soon, whatever takes long from now on."""
        with self._lock:
            if self._made and self._timer is None:
                self._timer = threading.Timer(_SECONDS, self._commit_later)
                self._timer.daemon = True
                self._timer.start()

    def _discard(self, made: Finished) -> None:
        self._shelf.forget(made.wanted.cell)
        self._ending.append(
            Ending(wanted=made.wanted, attempt=made.attempt, state="discarded")
        )

    def reuse(self, want: Wanted, version: Version) -> None:
        """Take in a version that is as good."""
        with self._lock:
            self._shelf.versions[want.cell] = version
            self._reusing.append((want, version))

    def end(
        self, want: Wanted, attempt: Attempt, state: str, *, reason: str = ""
    ) -> None:
        """Take in an attempt that ended without a value, and without a failure."""
        reason = shown(reason)
        end = Ending(wanted=want, attempt=attempt, state=state, reason=reason)
        self._take_in(end, self.tell.stopped(want, state, reason))

    def fail(
        self, want: Wanted, attempt: Attempt, error: FlowstoneError, *, retryable: bool
    ) -> None:
        """Take in an attempt that has failed."""
        end = Ending(wanted=want, attempt=attempt, state="failed", error=error)
        self._take_in(end, self.tell.failed(want, error, retryable=retryable))

    def put_off(
        self, want: Wanted, attempt: Attempt, state: str, error: FlowstoneError
    ) -> None:
        """Take in an attempt that ended before the function was called."""
        end = Ending(wanted=want, attempt=attempt, state=state, error=error)
        with self._lock:
            self._ending.append(end)

    def note(self, event: Event) -> None:
        """Take in something that happened to a cell."""
        with self._lock:
            self._news.append(event)

    def _take_in(self, end: Ending, event: Event) -> None:
        with self._lock:
            self._ending.append(end)
            self._news.append(event)

    def hold(self, holding: Holding) -> None:
        """Take in a wait at a gate."""
        event = self.tell.waits(holding)
        with self._lock:
            self._holding.append(holding)
            self._news.append(event)

    def publish(self, want: Wanted, attempt: Attempt, version: str) -> None:
        """Take in that a version which was held back is to be shown."""
        event = self.tell.published(want, version)
        with self._lock:
            self._publishing.append(
                Publishing(wanted=want, attempt=attempt, version=version)
            )
            self._news.append(event)

    # --- committing -----------------------------------------------------------------

    def check(self) -> None:
        """Raise what broke a commit in the background."""
        if self._broken is not None:
            raise self._broken

    def drop(self) -> None:
        """Let go of everything where the world has broken the pack, if it lets us.

        Its attempts count for nothing then: no worker was lost, and no function failed.
        """
        with self._lock, suppress(Exception):
            self._toolbox.ledger.packs.drop(self._who, self._toolbox.name)

    def stop(self) -> None:
        """Leave what is not committed."""
        if self._timer is not None:
            self._timer.cancel()

    def _commit_later(self) -> None:
        # What breaks it is kept, and raised in the step's thread.
        with suppress(BaseException):
            self.commit()

    def commit(self, *, release: bool = False, end_run: bool = False) -> bool:
        """Store and commit what is finished; give whether nothing was refused.

        Args:
            release: whether the pack is over, and lets go of all its claims.
            end_run: whether the run ends with it.
        """
        with self._lock:
            self.check()
            try:
                good, news = self._commit(release=release, end_run=end_run)
            except BaseException as error:
                # Whoever comes next must not take for committed what is lost.
                self._broken = error
                raise
        self._toolbox.telemetry.emit(news)
        return good

    def _commit(self, *, release: bool, end_run: bool) -> tuple[bool, Sequence[Event]]:
        self.stop()
        self._timer = None
        made, self._made = self._made, []
        ends = self._reusing or self._ending or self._holding or self._publishing
        if not (made or release or ends):
            return True, ()
        reach("store.before")
        self._shelf.store(made)
        reach("commit.before")
        what = Commit(
            making=[making(m) for m in made],
            reusing=self._reusing,
            ending=self._ending,
            holding=self._holding,
            publishing=self._publishing,
            news=[*self._news, *(m.told for m in made)],
            release=release,
            end_run=end_run,
        )
        packs = self._toolbox.ledger.packs
        done = packs.commit(self._who, self._toolbox.name, what)
        reach("commit.after")
        self._reusing, self._ending, self._holding, self._news = [], [], [], []
        self._publishing = []
        return self._take(done.verdicts), done.news

    def _take(self, verdicts: Mapping[tuple[int, int], str]) -> bool:
        """Correct the replies of cells whose commit was refused."""
        answers: dict[str, Reply] = {
            "made": Produced(millis=-1),
            "superseded": Superseded(),
            "left": Left(),
        }
        refused = {c: answers[v] for c, v in verdicts.items() if v in answers}
        for cell, reply in refused.items():
            made = self._shelf.forget(cell)
            if made is not None:
                self._lost.add(made.attempt.id)
            self._replies[cell] = reply
        return not refused


def making(made: Finished) -> Making:
    """Say of a value that is stored what the ledger keeps of it."""
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
