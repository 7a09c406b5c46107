"""The records of the ledger, as the rest of the house hands them about."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from flowstone.core.alarms import from_millis, to_millis
from flowstone.core.errors import FlowstoneError
from flowstone.core.events import Event
from flowstone.core.messages import Request

__all__ = [
    "LIVE",
    "Attempt",
    "Claimed",
    "Commit",
    "Committed",
    "Dispatch",
    "Ending",
    "Event",
    "Gate",
    "Holding",
    "Making",
    "Opened",
    "Publishing",
    "RunRow",
    "Settled",
    "Version",
    "Wanted",
]

LIVE = ("starting", "running")
"""What a run is until it ends."""


class Dispatch(NamedTuple):
    """Who asks: one attempt of one dispatch of one workflow of one run."""

    run: str
    workflow: str
    dispatch: int
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """A run, as its row has it.

    Attributes:
        keys: the texts of its keys, in the order of their numbers.
        owner: of a run in this process, what proves that the process lives.
        error: why it failed, as data.
    """

    request: Request
    workflow: str
    keys: Sequence[str]
    request_hash: str
    user_key: str | None = None
    actor: str = ""
    owner: str = ""
    status: str = "starting"
    reason: str = ""
    plan: str | None = None
    error: FlowstoneError | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def id(self) -> str:
        """The run's id."""
        return self.request.run


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One committed value of one asset at one key; immutable."""

    id: str
    run: str
    node: int
    key_number: int
    asset: str
    key: str
    data_version: str
    code: str
    inputs: str
    io: str
    location: str
    size: int
    digest: str
    facts: Mapping[str, object]
    metadata: Mapping[str, object]
    millis: int
    created_at: datetime
    item: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A cell that a step was asked to make.

    Attributes:
        number: which of the user's attempts it is.
        inputs: the cells it reads, each (node, key number).
        reusable: whether a version that exists is as good.
        gate: the gate that is being settled, whose hold on the claim is its own.
    """

    node: int
    key_number: int
    asset: str
    key: str
    io: str
    number: int
    inputs: Sequence[tuple[int, int]]
    reusable: bool
    gate: str = ""

    @property
    def cell(self) -> tuple[int, int]:
        """Its node and key number."""
        return (self.node, self.key_number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A cell that was claimed: its version's id, if it gets one, and where to write."""

    id: str
    path: str
    fence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """What opening a cell found; one of these is the case.

    Attributes:
        made: this run has a version of it already.
        held: it waits at its gate.
        superseded: a later attempt at the same dispatch has been at it.
        reused: a version that is as good exists.
        busy: who has the claim, and at which gate they wait.
        attempt: it is yours to make.
        lost: how often a worker was lost with it alone.
    """

    made: bool = False
    held: bool = False
    superseded: bool = False
    reused: Version | None = None
    busy: tuple[str, str] | None = None
    attempt: Attempt | None = None
    lost: int = 0

    @property
    def settled(self) -> bool:
        """Whether nothing is to be done now."""
        return self.made or self.held or self.superseded


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What opening a pack found.

    Attributes:
        closed: how the run has ended, so that nothing was opened; empty while it lives.
        cells: what became of each cell wanted, in order.
        inputs: the versions that this run reads, by cell; `None` for a value that
            is known to be absent.
    """

    closed: str = ""
    cells: Sequence[Claimed] = ()
    inputs: Mapping[tuple[int, int], Version | None] = field(
        default_factory=dict[tuple[int, int], Version | None]
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """A value that was written and is to be committed.

    Attributes:
        reads: the versions it was made from, by parameter.
    """

    wanted: Wanted
    attempt: Attempt
    code: str
    location: str
    size: int
    digest: str
    facts: Mapping[str, object]
    metadata: Mapping[str, object]
    millis: int
    reads: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """An attempt that ended without a version.

    Attributes:
        state: `failed`, `skipped`, `snoozed`, `cancelled`, `unavailable` where a
            resource did not open, or `left` where nothing was called; one whose claim
            is not ours any more ends as `discarded`.
    """

    wanted: Wanted
    attempt: Attempt
    state: str
    reason: str = ""
    error: FlowstoneError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """An attempt that ended at a gate.

    Attributes:
        reads: the versions that it has read, by parameter; what comes of the answer
            was made from them too.
        extensions: how often it may wait once more.
        made: of an approval, the value that is held back; it has been written.
        message: what the one who decides on it should know.
        reminders: when to remind of it, in seconds from now.
        escalate_to: who is asked when the deadline has passed.
        outside: the outside world's own id for the answer.
    """

    wanted: Wanted
    attempt: Attempt
    gate: str
    timeout_seconds: float | None
    on_timeout: str
    reads: Sequence[tuple[str, str]] = ()
    extensions: int = 0
    made: Making | None = None
    message: str = ""
    reminders: Sequence[float] = ()
    escalate_to: str = ""
    outside: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Publishing:
    """A version that was held back, and is to be what readers see."""

    wanted: Wanted
    attempt: Attempt
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """What a dispatch commits together, in one transaction.

    Attributes:
        making: values that were written.
        reusing: versions that are taken as they are.
        ending: attempts that ended without a value.
        holding: attempts that ended at a gate.
        publishing: versions that were held back until now.
        news: events to record; those that say how a cell has ended only where it has.
        release: whether every claim of the dispatch is let go.
        end_run: whether the run is ended as succeeded, if nothing was refused.
    """

    making: Sequence[Making] = ()
    reusing: Sequence[tuple[Wanted, Version]] = ()
    ending: Sequence[Ending] = ()
    holding: Sequence[Holding] = ()
    publishing: Sequence[Publishing] = ()
    news: Sequence[Event] = ()
    release: bool = False
    end_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """What came of a commit.

    Attributes:
        verdicts: of each value and each wait: `committed` or `held`; `made` where this
            run had a version already; `superseded`; or `left` where it was made from
            one of those two. Of the other cells, those that were refused.
        news: the events that were recorded.
    """

    verdicts: Mapping[tuple[int, int], str]
    news: Sequence[Event]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A wait for an answer, as its row has it.

    Attributes:
        kind: `signal`, or `approval`.
        rounds: how often it was opened; a decision is on one of its rounds.
        timeout_millis: how long it waits at a time.
        extensions: how often it may still wait once more.
        reminders: the instants of the reminders to come, in milliseconds.
        held: of an approval, the version that is held back.
        required: how many decisions it takes.
        decision: of an approval, `approve`, `reject` or `recompute`.
        edits: the value to publish instead, as it was written down.
        outside: the outside world's own id for the answer.
    """

    id: str
    run: str
    node: int
    key_number: int
    asset: str
    key: str
    workflow: str
    state: str
    on_timeout: str
    opened_at: datetime
    deadline: datetime | None
    decided_at: datetime | None
    winner: str
    payload: str | None
    inputs: str = ""
    kind: str = "signal"
    rounds: int = 1
    timeout_millis: int | None = None
    extensions: int = 0
    reminders: Sequence[int] = ()
    message: str = ""
    held: str | None = None
    required: int = 1
    escalate_to: str = ""
    escalated_to: str = ""
    decision: str = ""
    comment: str = ""
    edits: str | None = None
    outside: str | None = None

    @property
    def decided(self) -> bool:
        """Whether it is known what came of it."""
        return self.state in {"decided", "expired"}

    @property
    def due_millis(self) -> int | None:
        """The instant of what it does next by itself, in milliseconds."""
        return None if self.due is None else to_millis(self.due)

    @property
    def due(self) -> datetime | None:
        """The instant of what it does next by itself."""
        found = [from_millis(millis) for millis in self.reminders]
        return min([*found, *([self.deadline] if self.deadline else [])], default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """How gates stand, by id, and the events that were recorded with that.

    Attributes:
        anew: those whose functions are to be asked again.
    """

    gates: Mapping[str, Gate] = field(default_factory=dict[str, Gate])
    anew: Collection[str] = ()
    news: Sequence[Event] = ()
