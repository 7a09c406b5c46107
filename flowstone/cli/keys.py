"""Partitions as they are typed: the canonical text of a key, lists, ranges."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime
from itertools import dropwhile
from typing import cast

from flowstone.cli.ending import misuse
from flowstone.core.errors import BadPartition
from flowstone.core.partition import PartitionKey
from flowstone.core.ref import Key
from flowstone.core.space import Choices, Days, Hours, Space, daily, hourly

__all__ = ["key_of", "keys_between", "keys_of", "text_of"]


def key_of(text: str | None) -> Key | None:
    """Read a key; no text is no key.

    Raises:
        BadPartition: the text is not canonical.
    """
    return None if text is None else PartitionKey(text).value


def text_of(key: Key | None) -> str | None:
    """Write a key; no key is no text."""
    return None if key is None else PartitionKey.of(key).text


def keys_of(texts: str) -> list[Key]:
    """Read keys with commas between them; those inside of a key part nothing.

    Raises:
        BadPartition: one of them is not canonical.
    """
    return [key for text in _split(texts) if (key := key_of(text)) is not None]


def keys_between(space: Space | None, start: str | None, end: str | None) -> list[Key]:
    """Give the keys from one to another, both included, as the space steps.

    An end that is left out is the space's own. Without a space, dates step by days,
    instants by hours and numbers by one.

    Raises:
        BadPartition: an end does not fit the space, or there is none to take.
    """
    first, last = key_of(start), key_of(end)
    match space:
        case Days() if _are(date, first, last):
            days = replace(space, last=cast("date | None", last) or space.last)
            return [d for d in days if d >= (cast("date | None", first) or d)]
        case Hours() if _are(datetime, first, last):
            hours = replace(space, last=cast("datetime | None", last) or space.last)
            return [h for h in hours if h >= (cast("datetime | None", first) or h)]
        case Choices():
            return _part(list(space.keys()), first, last)
        case None if first is not None and last is not None:
            return list(_steps(first, last))
        case None:
            what = "the asset declares no partitions; give both"
            raise misuse(what, "--from", "--to")
        case _:
            raise BadPartition(
                partition=f"{start or ''} to {end or ''}",
                reason=f"the partitions are {space!r}; list them with --partitions.",
            )


def _are(kind: type[object], *keys: Key | None) -> bool:
    return all(key is None or type(key) is kind for key in keys)


def _part(keys: list[Key], first: Key | None, last: Key | None) -> list[Key]:
    for end in (first, last):
        if end is not None and end not in keys:
            raise BadPartition(
                partition=repr(end),
                reason=f"it is not one of {', '.join(map(repr, keys))}.",
            )
    begun = list(dropwhile(lambda key: first is not None and key != first, keys))
    return begun if last is None else begun[: begun.index(last) + 1]


def _steps(first: Key, last: Key) -> Iterable[Key]:
    match first, last:
        case datetime(), datetime():
            return hourly(first, last).keys()
        case date(), date():
            return daily(first, last).keys()
        case int(), int():
            return range(first, last + 1)
        case _:
            raise BadPartition(
                partition=f"{first!r} to {last!r}",
                reason="only dates, instants and numbers have keys between them.",
            )


def _split(texts: str) -> list[str]:
    parts, depth = [""], 0
    for mark in texts:
        depth += (mark in "({") - (mark in ")}")
        if mark == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += mark
    return [part.strip() for part in parts if part.strip()]
