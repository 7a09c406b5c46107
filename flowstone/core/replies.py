"""The contract at the wall: what a step answers of each cell that it was given.

Replies are part of histories: fields are added with defaults, never renamed or given
another type.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

__all__ = [
    "Busy",
    "Cancelled",
    "Held",
    "Left",
    "Missing",
    "NotHere",
    "PackReply",
    "Produced",
    "Raised",
    "Reply",
    "Reused",
    "Skipped",
    "Snoozed",
    "Superseded",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Produced:
    """A version was committed; `millis` is how long it took, -1 if nobody knows."""

    millis: int = 0
    kind: Literal["produced"] = "produced"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reused:
    """A version that was there before is taken."""

    kind: Literal["reused"] = "reused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """The function returned `Skip`."""

    kind: Literal["skipped"] = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """The function raised; the ledger has the error.

    Attributes:
        retryable: whether its retry policy may be asked.
        after: what the function asked to wait, in milliseconds; -1 where it did not.
    """

    retryable: bool = True
    after: int = -1
    kind: Literal["raised"] = "raised"


@dataclass(frozen=True, slots=True, kw_only=True)
class Snoozed:
    """The function asked to be called again, in so many milliseconds."""

    millis: int
    kind: Literal["snoozed"] = "snoozed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A gate is open; `answered` tells that its answer is there already.

    Attributes:
        deadline: when to ask the gate next, by itself: at a reminder, or at the end.
        waits_for: whom or what for, where it is not simply a signal.
    """

    gate: str
    deadline: datetime | None = None
    answered: bool = False
    kind: Literal["held"] = "held"
    waits_for: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Busy:
    """Another run has the claim."""

    owner: str
    gate: str = ""
    kind: Literal["busy"] = "busy"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotHere:
    """This worker lacks the asset, or has other code than was planned."""

    why: str
    kind: Literal["not_here"] = "not_here"


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """Inputs that the flow counts as made have no version; their node numbers."""

    nodes: Sequence[int]
    kind: Literal["missing"] = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Superseded:
    """Somebody newer has the claim; ask again."""

    kind: Literal["superseded"] = "superseded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """Cancellation reached it before it was made."""

    kind: Literal["cancelled"] = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """Not attempted; `solo` asks for an activity of its own."""

    solo: bool = False
    kind: Literal["left"] = "left"


Reply = Annotated[
    Produced
    | Reused
    | Skipped
    | Raised
    | Snoozed
    | Held
    | Busy
    | NotHere
    | Missing
    | Superseded
    | Cancelled
    | Left,
    Field(discriminator="kind"),
]
"""What became of one cell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackReply:
    """What became of each cell of a pack, in the order in which they were asked.

    Attributes:
        replies: one for each cell.
        ended: whether the step has ended the run too.
        closed: whether the run had ended already, so that nothing was done.
    """

    replies: Sequence[Reply]
    ended: bool = False
    closed: bool = False
