"""A partition's key: one canonical text that keeps the type of its value.

The text is what crosses every boundary, what SQL compares and what people read. It is
injective, and equal keys have equal text:

| value | text |
|---|---|
| no partition | `-` |
| `date(2025, 1, 15)` | `2025-01-15` |
| `datetime(2025, 1, 15, 14, tzinfo=UTC)` | `2025-01-15T14:00:00Z` (the instant) |
| `7` | `7` |
| `"us-east"`, `"2025-01-15"`, `"7"` | `us-east`, `'2025-01-15'`, `'7'` |
| `(date(2025, 1, 15), "us-east")` | `(2025-01-15,us-east)` |
| `{"region": "eu", "date": ...}` | `{date=2025-01-15,region=eu}`, names sorted |

Whatever is not a letter or a digit of ASCII, nor one of `_ . - + : !`, is
percent-encoded, so the structure's own characters never occur inside of a name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from hashlib import sha256
from typing import cast
from urllib.parse import quote, unquote

from flowstone.core.errors import BadPartition
from flowstone.core.ref import Key

__all__ = ["NONE", "PartitionKey"]

_SAFE = "_.-+:!"
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{6})?Z"
)
_INT = re.compile(r"0|-?[1-9][0-9]*")
_DEEPEST = 16
_LONGEST_INT = 4000
_ID_BYTES, _ID_KEPT = 120, 80


@dataclass(frozen=True, order=True)
class PartitionKey:
    """The key of one partition, held as its canonical text.

    Example:
        >>> PartitionKey.of(date(2025, 1, 15)).text
        '2025-01-15'
        >>> PartitionKey.of("2025-01-15").text
        "'2025-01-15'"
        >>> PartitionKey("(2025-01-15,eu)").value
        (datetime.date(2025, 1, 15), 'eu')
    """

    text: str

    @staticmethod
    def of(value: Key | PartitionKey | None) -> PartitionKey:
        """Give the key of a value; `None` is the absence of a partition.

        Raises:
            BadPartition: the value, or one inside of it, is of no supported type.
        """
        if value is None:
            return NONE
        if isinstance(value, PartitionKey):
            return value
        return PartitionKey(_write(value, depth=0))

    @cached_property
    def value(self) -> Key | None:
        """The value whose text this is, of its own type.

        Raises:
            BadPartition: the text is not canonical.
        """
        if self.text == NONE.text:
            return None
        reader = _Reader(self.text)
        value = reader.value()
        if reader.rest or PartitionKey.of(value).text != self.text:
            raise _bad(self.text, "its text is not canonical.")
        return value

    @property
    def is_none(self) -> bool:
        """Whether this stands for the absence of a partition."""
        return self.text == NONE.text

    @property
    def id_text(self) -> str:
        """The text where ids are made: whole up to 120 bytes, else 80 and a hash."""
        if self.is_none:
            return ""
        if len(self.text) <= _ID_BYTES:
            return self.text
        digest = sha256(self.text.encode()).hexdigest()[:16]
        return f"{self.text[:_ID_KEPT]}~{digest}"

    def __str__(self) -> str:
        return self.text


NONE = PartitionKey("-")
"""The key of an asset that has no partition."""


def _bad(value: object, reason: str) -> BadPartition:
    shown = repr(value)
    shown = shown if len(shown) <= 80 else f"{shown[:77]}..."  # noqa: PLR2004
    return BadPartition(partition=shown, reason=reason)


def _write(value: object, *, depth: int) -> str:
    # Exact types: of a subclass (a bool, an enum, a Timestamp) the type would be lost.
    if depth > _DEEPEST:
        raise _bad(value, f"it is nested deeper than {_DEEPEST} levels.")
    if type(value) is str:
        return _write_str(value)
    if type(value) is int:
        return _write_int(value)
    if type(value) is date:
        return value.isoformat()
    if type(value) is datetime:
        return _write_instant(value)
    if type(value) is tuple:
        return _write_tuple(cast("tuple[object, ...]", value), depth)
    if isinstance(value, Mapping):
        return _write_mapping(cast("Mapping[object, object]", value), depth)
    raise _bad(value, _remedy(value))


def _remedy(value: object) -> str:
    kinds = "date, aware datetime, str, int, tuples of these, or a mapping of names"
    if isinstance(value, datetime):
        return (
            "a subclass of datetime loses its type; use .to_pydatetime() or the like."
        )
    if isinstance(value, str | int) and not isinstance(value, bool):
        return "a subclass loses its type on the way; pass str(...) or int(...) of it."
    return f"a {type(value).__name__} is not one of {kinds}."


def _encode(text: str) -> str:
    # "~" is kept by quote() whatever one says; ids use it as a mark of their own.
    raw = text.encode("utf-8", "surrogatepass")
    return quote(raw, safe=_SAFE).replace("~", "%7E")


def _decode(text: str) -> str:
    return unquote(text, errors="surrogatepass")


def _write_str(value: str) -> str:
    text = _encode(value)
    bare = text not in {"", "-"} and _scalar(text) is None
    return text if bare else f"'{text}'"


def _write_int(value: int) -> str:
    if value.bit_length() > _LONGEST_INT * 3:
        raise _bad("a huge int", f"it has more than {_LONGEST_INT} digits.")
    return str(value)


def _write_instant(value: datetime) -> str:
    if value.utcoffset() is None:
        raise _bad(
            value, "a datetime without a zone names no instant; give it tzinfo=UTC."
        )
    try:
        moment = value.astimezone(UTC)
    except OverflowError:
        raise _bad(value, "it is outside of the calendar in UTC.") from None
    return moment.isoformat().replace("+00:00", "Z")


def _write_tuple(value: tuple[object, ...], depth: int) -> str:
    if not value:
        raise _bad(value, "an empty tuple names nothing.")
    return f"({','.join(_write(v, depth=depth + 1) for v in value)})"


def _write_mapping(value: Mapping[object, object], depth: int) -> str:
    if not value:
        raise _bad(dict(value), "a mapping without dimensions names nothing.")
    names = list(value)
    if not all(type(n) is str and n for n in names):
        raise _bad(dict(value), "the names of its dimensions must be text.")
    cells = sorted(
        (_encode(cast("str", n)), _write(v, depth=depth + 1)) for n, v in value.items()
    )
    return f"{{{','.join(f'{n}={v}' for n, v in cells)}}}"


def _scalar(text: str) -> date | datetime | int | None:
    """Read a bare text as what is not a str; None when it is one."""
    if _INT.fullmatch(text) and len(text) <= _LONGEST_INT:
        return int(text)
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
        if _INSTANT.fullmatch(text):
            return datetime.fromisoformat(text)
    except ValueError:
        return None
    return None


class _Reader:
    """Reads a value from a canonical text, from left to right."""

    def __init__(self, text: str) -> None:
        self.rest = text

    def value(self) -> Key:
        head = self.rest[:1]
        if head == "(":
            return self._tuple()
        if head == "{":
            return self._mapping()
        if head == "'":
            self._take("'")
            text = self._until("'")
            self._take("'")
            return _decode(text)
        text = self._until(",)}")
        found = _scalar(text)
        return _decode(text) if found is None else found

    def _tuple(self) -> tuple[Key, ...]:
        self._take("(")
        found = [self.value()]
        while self.rest[:1] == ",":
            self._take(",")
            found.append(self.value())
        self._take(")")
        return tuple(found)

    def _mapping(self) -> dict[str, Key]:
        found: dict[str, Key] = {}
        mark = "{"
        while self.rest[:1] == mark:
            self._take(mark)
            name = _decode(self._until("="))
            self._take("=")
            found[name] = self.value()
            mark = ","
        self._take("}")
        return found

    def _take(self, mark: str) -> None:
        if not self.rest.startswith(mark):
            raise _bad(self.rest, f"its text lacks {mark!r}.")
        self.rest = self.rest[len(mark) :]

    def _until(self, marks: str) -> str:
        end = next((i for i, c in enumerate(self.rest) if c in marks), len(self.rest))
        text, self.rest = self.rest[:end], self.rest[end:]
        return text
