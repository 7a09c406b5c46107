"""The contract at the wall between deciding and doing.

A `Step` goes from a flow to a worker, its answer comes back; a `Flow` starts a
workflow or a child. They are part of histories: fields are added with defaults, never
renamed or given another type. Nothing here is large: numbers, keys, counts, rules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Generic, Literal, NamedTuple, TypeVar

from pydantic import Field

from flowstone.core.plan import Skeleton
from flowstone.core.replies import NotHere, PackReply

__all__ = [
    "Backfill",
    "Carried",
    "Cell",
    "EndRun",
    "Ended",
    "First",
    "Flow",
    "MakePlan",
    "Materialize",
    "Planned",
    "ReadPlan",
    "Request",
    "RunAssets",
    "SettleGates",
    "Shard",
    "ShardEnded",
    "Status",
    "Step",
]

R_co = TypeVar("R_co", covariant=True)

Status = Literal["succeeded", "skipped", "failed", "cancelled"]
"""How a run ended."""


class Cell(NamedTuple):
    """One node at one key: both are numbers in the plan and in the run's keys.

    `absent` names the nodes that it could read and that have no value in this run.
    """

    node: int
    key: int = 0
    attempt: int = 1
    absent: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What was asked for; every run carries what any worker needs to serve it.

    Attributes:
        run: the run's id.
        verb: what is to be done.
        pipeline: the app's name.
        asset: the target.
        key: the key's text; of a backfill, empty: its keys are in the ledger.
        keys: how many keys there are.
        policy: when a value that exists is made again.
        packs: how assets share an activity: by what is known of their durations,
            never, or all that are ready.
        budget: how long a pack may go on starting assets, in milliseconds.
        parallel: how many packs run at once.
        on_failure: whether a backfill goes on when a partition has failed.
        schedule: the schedule that started it.
        scheduled_at: when that should have fired, in UTC.
        tick: the workflow of that fire, which awaits the run.
        sensor: the sensor that started it.
    """

    run: str
    verb: Literal["materialize", "materialize_all", "backfill"]
    pipeline: str
    asset: str
    key: str = ""
    keys: int = 1
    policy: Literal["always", "missing", "stale"] = "missing"
    packs: Literal["auto", "off", "whole"] = "auto"
    budget: int = 200
    parallel: int = 50
    on_failure: Literal["continue", "stop"] = "continue"
    schedule: str = ""
    scheduled_at: str = ""
    tick: str = ""
    sensor: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """A table of states, as it crosses a continue-as-new; see `RunState.carry`.

    `numbers` has all that follows the dispatch, written short.
    """

    table: str
    dispatch: int
    due: Mapping[int, int]
    failures: Mapping[int, int]
    asked: Mapping[int, int]
    solo: Sequence[int]
    millis: Sequence[int]
    numbers: str = ""


class Flow(Generic[R_co]):
    """Something that a workflow does, and what it answers."""

    moved: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Materialize(Flow["Ended"]):
    """Make one asset at one key, alone or with all upstream.

    `moved` tells that it goes on with another version of the worker.
    """

    request: Request
    carried: Carried | None = None
    moved: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfill(Flow["Ended"]):
    """Make one asset, with all upstream, at many keys; `carried` is what they share."""

    request: Request
    carried: Carried | None = None
    moved: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard(Flow["ShardEnded"]):
    """Make a stretch of a backfill's keys.

    Attributes:
        request: the backfill's.
        number: which shard this is.
        first: the first of its keys.
        count: how many keys it has.
        parallel: how many of its packs run at once.
        common: the states of the nodes that are made once for all keys.
        carried: the table, where it continues as new.
        moved: whether it goes on with another version of the worker.
    """

    request: Request
    number: int
    first: int
    count: int
    parallel: int
    common: str
    carried: Carried | None = None
    moved: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardEnded:
    """What a shard did; `table` has the state of each of its cells."""

    number: int
    table: str
    failed: int = 0


class Step(Generic[R_co]):
    """Something that a worker does, and what it answers."""

    answer: ClassVar[object]


@dataclass(frozen=True, slots=True, kw_only=True)
class MakePlan(Step["Planned | NotHere | Ended"]):
    """Write the run's plan.

    Attributes:
        request: what was asked for.
        again: whether the worker that was asked before lacked the asset.
        along: whether all of it may be made at once, where that is known to be short.
    """

    request: Request
    again: bool = False
    along: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPlan(Step["Planned"]):
    """Read the plan again, after continuing as new or in a child.

    `adopt` has it planned anew with the code of the worker that is asked, where that
    has the same graph: the run has moved to it.
    """

    run: str
    adopt: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAssets(Step["PackReply"]):
    """Make a pack of cells, in order.

    Attributes:
        run: the run's id.
        dispatch: the number that the flow gave this pack, growing.
        cells: what to make.
        budget: how long it may go on starting assets, in milliseconds.
        last: whether nothing is left to do beside these, so that the step may end
            the run itself when all of them are made.
        again: whether the worker that was asked before lacked one of them.
    """

    run: str
    dispatch: int
    cells: Sequence[Cell]
    budget: int = 200
    last: bool = False
    again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleGates(Step["PackReply"]):
    """Ask how the gates of cells stand; make the values of those that are answered.

    Attributes:
        expired: whether it is asked since the instants of these gates have come.
        instants: those instants, one for each cell, in milliseconds since 1970: what a
            gate does at one of them it does once, however often it is asked.
    """

    run: str
    dispatch: int
    cells: Sequence[Cell]
    expired: bool = False
    instants: Sequence[int] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EndRun(Step["Ended"]):
    """Write how everything ended, and let go of what is left.

    Attributes:
        run: the run's id.
        status: how it ended.
        table: the final state of each cell, key by key.
    """

    run: str
    status: Status
    table: str


@dataclass(frozen=True, slots=True, kw_only=True)
class First:
    """A pack that was run along with the plan: the numbers of its cells, and how."""

    cells: Sequence[int]
    reply: PackReply


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A plan is written.

    Attributes:
        skeleton: what its flow needs to know of it.
        keys: how many keys the run has.
        first: what was made along with it.
    """

    skeleton: Skeleton
    keys: int = 1
    kind: Literal["planned"] = "planned"
    first: First | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A run has ended; `error` is a `FlowstoneError` as data."""

    status: Status
    error: Mapping[str, object] | None = None
    kind: Literal["ended"] = "ended"


MakePlan.answer = Annotated[Planned | NotHere | Ended, Field(discriminator="kind")]
ReadPlan.answer = Planned
RunAssets.answer = PackReply
SettleGates.answer = PackReply
EndRun.answer = Ended
