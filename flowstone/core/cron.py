"""Expressions that Temporal reads otherwise than people expect.

Which times an expression has, the server alone decides; here is only what to warn of.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from flowstone.core.policy import HOUR

__all__ = ["warnings_of"]

_YEAR = 366 * 24
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec"
_DAYS = "sun mon tue wed thu fri sat"
_DAY = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class _Turn:
    """A change of the clocks: the local times that it leaves out, or repeats."""

    first: datetime
    after: datetime
    repeated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Times:
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    def within(self, turn: _Turn) -> datetime | None:
        """Give the first time of the expression that a change of clocks touches."""
        found = (
            datetime.combine(turn.first.date(), time(hour, minute))
            for hour in sorted(self.hours)
            for minute in sorted(self.minutes)
        )
        return next((t for t in found if turn.first <= t < turn.after), None)

    def has_day(self, day: date) -> bool:
        return (
            day.day in self.days
            and day.month in self.months
            and day.isoweekday() % 7 in self.weekdays
        )


def warnings_of(cron: str, timezone: str, today: date) -> list[str]:
    """Say what may surprise in an expression, as Temporal reads it.

    Args:
        cron: the expression.
        timezone: the zone in which it is meant.
        today: from when on clocks that are changed are looked at, for a year.
    """
    read, hashed, _ = cron.partition("#")
    warnings = list[str]()
    if hashed:
        warnings.append(
            f"in {cron!r}, `#` begins a comment: Temporal reads {read.strip()!r}. "
            "Say which week by days of the month, as 8-14."
        )
    fields = read.split()
    if len(fields) == 7:
        fields = fields[1:]
    if len(fields) < 5 or read.startswith("@"):
        return warnings
    if _is_bound(fields[2]) and _is_bound(fields[4]):
        warnings.append(
            f"{cron!r} names days of the month and of the week: Temporal fires only "
            "on days that are both, where other crons fire on either."
        )
    return [*warnings, *_clock_warnings(cron, fields, timezone, today)]


def _is_bound(field: str) -> bool:
    return field not in {"*", "?"}


def _clock_warnings(
    cron: str, fields: list[str], timezone: str, today: date
) -> Iterator[str]:
    times = _times(fields)
    if times is None or len(times.hours) == _DAY:
        return
    for turn in _turns(ZoneInfo(timezone), today):
        at = times.within(turn)
        if at is None or not times.has_day(at.date()):
            continue
        said = (
            "comes twice that day, and it may fire for both"
            if turn.repeated
            else "does not exist that day, and it does not fire"
        )
        yield f"on {at:%Y-%m-%d}, {at:%H:%M} in {timezone} {said} ({cron!r})."


def _turns(zone: ZoneInfo, today: date) -> Iterator[_Turn]:
    """Give the changes of a zone's clocks within a year."""
    begin = datetime.combine(today, time(0), UTC)
    before = _offset(zone, begin)
    for hours in range(1, _YEAR):
        at = begin + hours * HOUR
        now = _offset(zone, at)
        if now != before:
            ends = (at + before).replace(tzinfo=None), (at + now).replace(tzinfo=None)
            yield _Turn(first=min(ends), after=max(ends), repeated=now < before)
        before = now


def _offset(zone: ZoneInfo, at: datetime) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta(0)


def _times(fields: list[str]) -> _Times | None:
    try:
        return _Times(
            minutes=_values(fields[0], 0, 59),
            hours=_values(fields[1], 0, 23),
            days=_values(fields[2], 1, 31),
            months=_values(fields[3], 1, 12, _MONTHS, 1),
            weekdays=frozenset(v % 7 for v in _values(fields[4], 0, 7, _DAYS)),
        )
    except ValueError:
        # The server says what is wrong with it.
        return None


def _values(
    field: str, least: int, most: int, names: str = "", base: int = 0
) -> frozenset[int]:
    found = set[int]()
    for part in field.lower().split(","):
        span, _, step = part.partition("/")
        first, dash, last = span.partition("-")
        if first in {"*", "?"}:
            low, high = least, most
        else:
            low = _number(first, names, base)
            high = _number(last, names, base) if dash else (most if step else low)
        found.update(range(low, high + 1, int(step or 1)))
    return frozenset(found)


def _number(text: str, names: str, base: int) -> int:
    known = names.split()
    return known.index(text[:3]) + base if text[:3] in known else int(text)
