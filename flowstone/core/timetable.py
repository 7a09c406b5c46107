"""Schedules as people see them: what was changed, what a server has, what comes next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

__all__ = ["Applied", "Change", "Placed", "ScheduleStatus", "What", "differences"]

ChangeKind = Literal["create", "update", "delete"]
What = Literal["schedule", "sensor"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that apply does.

    Attributes:
        kind: whether it is created, updated or deleted.
        what: `schedule` or `sensor`.
        name: its name.
        fields: what is different, each as it was and as it will be.
    """

    kind: ChangeKind
    what: str
    name: str
    fields: Sequence[str] = ()

    def __str__(self) -> str:
        said = f"{self.kind} {self.what} {self.name}"
        return f"{said}: {', '.join(self.fields)}" if self.fields else said


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What `schedules.apply()` did, or would do.

    Attributes:
        changes: each thing; none where the server agreed already.
        warnings: what may surprise in what is declared.
        left: schedules under the app's ids that are not its own, and were left alone.
        dry_run: whether nothing was changed.
    """

    changes: Sequence[Change]
    warnings: Sequence[str] = ()
    left: Sequence[str] = ()
    dry_run: bool = False

    def __str__(self) -> str:
        lines = [str(change) for change in self.changes] or ["nothing to do"]
        lines += [f"left alone: {name} (it is not this app's)" for name in self.left]
        return "\n".join([*lines, *(f"warning: {text}" for text in self.warnings)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """What a server has of a schedule.

    Attributes:
        paused: whether it does not fire.
        note: why, as whoever paused it said.
        next: its next fires, jitter included; none while it is paused.
        fired: how often it has fired.
        skipped: how many fires its overlap policy has left out.
        missed: how many fires came later than `catch_up` allows.
        running: how many of its fires go on.
        agrees: whether it is as the app declares it.
    """

    paused: bool = False
    note: str = ""
    next: Sequence[datetime] = ()
    fired: int = 0
    skipped: int = 0
    missed: int = 0
    running: int = 0
    agrees: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleStatus:
    """A schedule of the app, and how it stands.

    Attributes:
        name: its name.
        asset: what it makes.
        cron: when.
        timezone: in which zone.
        overlap: what becomes of a fire while an earlier one goes on.
        placed: what the server has of it; nothing until it is applied.
        runs: the ids of its last runs, the newest first.
    """

    name: str
    asset: str
    cron: str
    timezone: str
    overlap: str
    placed: Placed | None = None
    runs: Sequence[str] = ()

    @property
    def next(self) -> Sequence[datetime]:
        """The next fires, as the server gives them."""
        return self.placed.next if self.placed else ()

    @property
    def paused(self) -> bool:
        """Whether it was paused."""
        return self.placed is not None and self.placed.paused

    @property
    def state(self) -> str:
        """One word: `active`, `paused`, `changed` (apply it anew), `not_applied`."""
        if self.placed is None:
            return "not_applied"
        if self.placed.paused:
            return "paused"
        return "active" if self.placed.agrees else "changed"


def differences(was: Mapping[str, object], will: Mapping[str, object]) -> list[str]:
    """Say which facts differ, each as it was and as it will be."""
    return [
        f"{name} {was.get(name)!r} -> {will.get(name)!r}"
        for name in sorted({*was, *will})
        if was.get(name) != will.get(name)
    ]
