"""Garbage: objects of attempts that ended without a version, found and deleted."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from flowstone.core.text import error_line
from flowstone.io.base import ListsLocations, Stored
from flowstone.steps.toolbox import Toolbox

__all__ = ["Found", "Garbage", "delete_garbage", "find_garbage"]

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
"""The id of a version, which every location contains."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Garbage:
    """An object that nobody will read.

    Attributes:
        io: the manager that keeps it.
        why: what became of the attempt that wrote it.
    """

    io: str
    location: str
    bytes: int
    asset: str
    key: str
    run: str
    why: str


@dataclass(slots=True, kw_only=True)
class Found:
    """What the managers of an app keep that no version names.

    Attributes:
        garbage: what may be deleted.
        strangers: objects of which no attempt is known, by manager: somebody else's,
            or of a ledger that was lost. They are never deleted.
        kept: how many objects are in use, or may be yet.
        silent: managers that cannot tell what they keep.
        problems: what went wrong, by manager or location.
        deleted: how many objects were deleted; `None` where nothing was to be.
    """

    garbage: list[Garbage] = field(default_factory=list[Garbage])
    strangers: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    kept: int = 0
    silent: list[str] = field(default_factory=list[str])
    problems: dict[str, str] = field(default_factory=dict[str, str])
    deleted: int | None = None

    @property
    def bytes(self) -> int:
        """How much the garbage is."""
        return sum(one.bytes for one in self.garbage)


def find_garbage(toolbox: Toolbox) -> Found:
    """Look through all that the managers of an app keep."""
    found = Found()
    for name, manager in toolbox.io.items():
        if not isinstance(manager, ListsLocations):
            found.silent.append(name)
            continue
        try:
            # Listed first: an attempt is written down before its object is.
            held = dict(manager.list_locations(toolbox.name))
        except Exception as error:  # noqa: BLE001 - the others are looked through
            found.problems[name] = error_line(error)
            continue
        _judge(toolbox, name, held, found)
    return found


def _judge(toolbox: Toolbox, io: str, held: dict[str, int], found: Found) -> None:
    wrote = {place: ids[-1] for place in held if (ids := _ids(place))}
    judged = toolbox.ledger.litter.judge(toolbox.name, wrote)
    for place, size in held.items():
        one = judged.get(place)
        if one is None:
            found.strangers.append((io, place))
        elif one.verdict == "litter":
            found.garbage.append(
                Garbage(
                    io=io,
                    location=place,
                    bytes=size,
                    asset=one.asset,
                    key=one.key,
                    run=one.run,
                    why=one.why,
                )
            )
        else:
            found.kept += one.verdict == "kept"


def _ids(location: str) -> list[str]:
    # An upload that was never finished has an id of its own after a question mark.
    return _ID.findall(location.partition("?")[0])


def delete_garbage(toolbox: Toolbox, found: Found, *, actor: str) -> None:
    """Delete what was found, and note in it how many are gone and what went wrong."""
    found.deleted = size = 0
    for one in found.garbage:
        at = Stored(location=one.location, bytes=one.bytes, digest="", facts={})
        try:
            toolbox.io[one.io].delete(at)
        except Exception as error:  # noqa: BLE001 - the others are deleted all the same
            found.problems[one.location] = error_line(error)
            continue
        found.deleted += 1
        size += one.bytes
    if found.deleted:
        litter = toolbox.ledger.litter
        litter.sweep(toolbox.name, actor, objects=found.deleted, size=size)
