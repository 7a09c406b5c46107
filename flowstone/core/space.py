"""Which keys exist: ranges of keys, and the spaces that assets declare.

A range has both ends, inclusive, and can be iterated. A space may be open at its end;
it answers whether a key belongs to it.
"""

from __future__ import annotations

import itertools
from calendar import monthrange
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Literal, Never, Protocol, cast, runtime_checkable

from flowstone.core.errors import BadPartition, NotSupported
from flowstone.core.partition import PartitionKey
from flowstone.core.ref import Key

__all__ = [
    "Choices",
    "Days",
    "Hours",
    "Product",
    "Single",
    "Space",
    "daily",
    "dynamic",
    "hourly",
    "monthly",
    "one_of",
    "product",
    "single",
    "weekly",
]


_HOUR = timedelta(hours=1)
_LAST_COMMON_DAY = 28


@runtime_checkable
class Space(Protocol):
    """The keys an asset may have."""

    def __contains__(self, key: object, /) -> bool:
        """Tell whether a key belongs to it."""
        ...

    def keys(self) -> Iterator[Key]:
        """Give every key, in order.

        Raises:
            BadPartition: the space is open at its end.
        """
        ...


@dataclass(frozen=True, slots=True)
class Single:
    """The space of an asset that has no partitions; see `single`."""

    def __contains__(self, key: object) -> bool:
        return key is None

    def keys(self) -> Iterator[Key]:
        """Give nothing: its one key is the absence of a partition."""
        return iter(())

    def __repr__(self) -> str:
        return "single"


single = Single()
"""The space of an asset without partitions, read as it is by any key."""


@dataclass(frozen=True, slots=True)
class Days:
    """Dates from a first to a last, or without end: one in `step` days or a month."""

    first: date
    last: date | None = None
    step: Literal["day", "week", "month"] = "day"

    def __contains__(self, key: object) -> bool:
        if type(key) is not date or key < self.first:
            return False
        if self.last is not None and key > self.last:
            return False
        if self.step == "week":
            return (key - self.first).days % 7 == 0
        return self.step == "day" or key.day == self.first.day

    def keys(self) -> Iterator[date]:
        """Give every date, both ends included."""
        if self.last is None:
            raise _open(self)
        at = self.first
        yield at
        while (self.last - at).days >= self._stride(at):
            at += timedelta(days=self._stride(at))
            yield at

    def _stride(self, at: date) -> int:
        if self.step == "month":
            return monthrange(at.year, at.month)[1]
        return 7 if self.step == "week" else 1

    def __iter__(self) -> Iterator[date]:
        return self.keys()


@dataclass(frozen=True, slots=True)
class Hours:
    """Full hours from a first to a last, or without end; instants, in UTC."""

    first: datetime
    last: datetime | None = None

    def __contains__(self, key: object) -> bool:
        if type(key) is not datetime or key.utcoffset() is None or key < self.first:
            return False
        if self.last is not None and key > self.last:
            return False
        return (key - self.first) % _HOUR == timedelta(0)

    def keys(self) -> Iterator[datetime]:
        """Give every hour, both ends included."""
        if self.last is None:
            raise _open(self)
        at = self.first
        yield at
        while self.last - at >= _HOUR:
            at += _HOUR
            yield at

    def __iter__(self) -> Iterator[datetime]:
        return self.keys()


@dataclass(frozen=True)
class Choices:
    """A fixed list of keys."""

    values: tuple[Key, ...]

    @cached_property
    def _texts(self) -> frozenset[str]:
        return frozenset(PartitionKey.of(v).text for v in self.values)

    def __contains__(self, key: object) -> bool:
        return key is not None and _canonical(key) in self._texts

    def keys(self) -> Iterator[Key]:
        """Give the keys as they were listed."""
        return iter(self.values)

    def __iter__(self) -> Iterator[Key]:
        return self.keys()


@dataclass(frozen=True, slots=True)
class Product:
    """Every combination of its dimensions: tuples, or mappings where they are named."""

    dimensions: tuple[Space, ...]
    names: tuple[str, ...] = field(default=())

    def __contains__(self, key: object) -> bool:
        parts = self._parts(key)
        return parts is not None and all(
            part in space for part, space in zip(parts, self.dimensions, strict=True)
        )

    def keys(self) -> Iterator[Key]:
        """Give every combination; the last dimension changes fastest."""
        for parts in itertools.product(*(d.keys() for d in self.dimensions)):
            yield dict(zip(self.names, parts, strict=True)) if self.names else parts

    def _parts(self, key: object) -> Sequence[object] | None:
        if self.names:
            if not isinstance(key, Mapping):
                return None
            named = cast("Mapping[str, object]", key)
            if set(named) != set(self.names):
                return None
            return [named[n] for n in self.names]
        if not isinstance(key, tuple):
            return None
        parts = cast("tuple[object, ...]", key)
        return parts if len(parts) == len(self.dimensions) else None

    def __iter__(self) -> Iterator[Key]:
        return self.keys()


def daily(first: date, last: date | None = None) -> Days:
    """Give the days from `first` to `last`, both included; open without `last`."""
    return _days(first, last, "day")


def weekly(first: date, last: date | None = None) -> Days:
    """Give each seventh day from `first`; the week starts on its weekday."""
    return _days(first, last, "week")


def monthly(first: date, last: date | None = None) -> Days:
    """Give one day in each month from `first`, on its day of the month (1 to 28)."""
    if type(first) is date and first.day > _LAST_COMMON_DAY:
        raise BadPartition(
            partition=repr(first), reason="not every month has this day; take 1 to 28."
        )
    return _days(first, last, "month")


def hourly(first: datetime, last: datetime | None = None) -> Hours:
    """Give the hours from `first` to `last`, both included; open without `last`."""
    for moment in (first, last):
        if moment is None:
            continue
        if type(moment) is not datetime or moment.utcoffset() is None:
            raise BadPartition(
                partition=repr(moment), reason="hours need a datetime with a zone."
            )
    _check_order(first, last)
    return Hours(first.astimezone(UTC), None if last is None else last.astimezone(UTC))


def one_of(*values: Key) -> Choices:
    """Give a space of the listed keys."""
    if not values:
        raise BadPartition(partition="one_of()", reason="list at least one key.")
    distinct: dict[str, Key] = {}
    for value in values:
        distinct.setdefault(PartitionKey.of(value).text, value)
    return Choices(tuple(distinct.values()))


def product(
    *dimensions: Space | Iterable[Key], **named: Space | Iterable[Key]
) -> Product:
    """Give every combination of the dimensions, by position or by name, not both."""
    for word in ("where", "only"):
        if word in named:
            raise NotSupported(what=f"product({word}=...)")
    if bool(dimensions) == bool(named):
        raise BadPartition(
            partition="product(...)",
            reason="give its dimensions all by position, or all by name.",
        )
    spaces = tuple(_space(d) for d in dimensions or named.values())
    return Product(spaces, tuple(named))


def dynamic(name: str) -> Never:
    """Refuse: keys that are added at run time are not built yet."""
    raise NotSupported(what=f"dynamic({name!r})", instead="Use one_of(...).")


def _days(
    first: date, last: date | None, step: Literal["day", "week", "month"]
) -> Days:
    for day in (first, last):
        if day is not None and type(day) is not date:
            raise BadPartition(partition=repr(day), reason="a date is needed here.")
    _check_order(first, last)
    return Days(first, last, step)


def _check_order(first: date, last: date | None) -> None:
    if last is not None and last < first:
        raise BadPartition(
            partition=f"{first} to {last}", reason="the last is before the first."
        )


def _space(dimension: Space | Iterable[Key]) -> Space:
    if isinstance(dimension, Space) and not isinstance(dimension, dict):
        return dimension
    if isinstance(dimension, str):
        raise BadPartition(
            partition=repr(dimension),
            reason=f"write it as a list of keys: [{dimension!r}].",
        )
    return one_of(*cast("Iterable[Key]", dimension))


def _canonical(key: object) -> str | None:
    try:
        return PartitionKey.of(cast("Key", key)).text
    except BadPartition:
        return None


def _open(space: object) -> BadPartition:
    return BadPartition(
        partition=repr(space), reason="it has no last key; name the partitions."
    )
