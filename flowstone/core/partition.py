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
# Within a day: releases of Python differ in whether there is an hour 24.
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{6})?Z"
)
_DIGITS = 4000
_INT = re.compile(rf"0|-?[1-9][0-9]{{0,{_DIGITS - 1}}}")
_TOO_LONG = 10**_DIGITS
_QUOTE, _END, _EQUALS = re.compile("'"), re.compile("[,)}]"), re.compile("=")
_DEEPEST = 16
_ID_BYTES, _ID_KEPT = 120, 80
_SHOWN = 80


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
        value = reader.value(depth=0)
        if not reader.ended or PartitionKey.of(value).text != self.text:
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
        raw = self.text.encode("utf-8", "surrogatepass")
        if len(raw) <= _ID_BYTES:
            return self.text
        digest = sha256(raw).hexdigest()[:16]
        return f"{raw[:_ID_KEPT].decode(errors='ignore')}~{digest}"

    def __str__(self) -> str:
        return self.text


NONE = PartitionKey("-")
"""The key of an asset that has no partition."""


def _bad(value: object, reason: str) -> BadPartition:
    shown = repr(value)
    shown = shown if len(shown) <= _SHOWN else f"{shown[: _SHOWN - 3]}..."
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


def _write_str(value: str) -> str:
    text = _encode(value)
    bare = text not in {"", "-"} and _scalar(text) is None
    return text if bare else f"'{text}'"


def _write_int(value: int) -> str:
    if abs(value) >= _TOO_LONG:
        raise _bad("a huge int", f"it has more than {_DIGITS} digits.")
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
    if _INT.fullmatch(text):
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
        self._text = text
        self._at = 0

    @property
    def ended(self) -> bool:
        return self._at == len(self._text)

    def value(self, *, depth: int) -> Key:
        if depth > _DEEPEST:
            raise _bad(self._text, f"it is nested deeper than {_DEEPEST} levels.")
        if self._takes("("):
            return self._tuple(depth)
        if self._takes("{"):
            return self._mapping(depth)
        if self._takes("'"):
            text = self._until(_QUOTE)
            self._take("'")
            return self._decode(text)
        text = self._until(_END)
        found = _scalar(text)
        return self._decode(text) if found is None else found

    def _tuple(self, depth: int) -> tuple[Key, ...]:
        found = [self.value(depth=depth + 1)]
        while self._takes(","):
            found.append(self.value(depth=depth + 1))
        self._take(")")
        return tuple(found)

    def _mapping(self, depth: int) -> dict[str, Key]:
        found: dict[str, Key] = {}
        more = True
        while more:
            name = self._decode(self._until(_EQUALS))
            self._take("=")
            found[name] = self.value(depth=depth + 1)
            more = self._takes(",")
        self._take("}")
        return found

    def _takes(self, mark: str) -> bool:
        found = self._text.startswith(mark, self._at)
        self._at += len(mark) if found else 0
        return found

    def _take(self, mark: str) -> None:
        if not self._takes(mark):
            raise _bad(self._text, f"its text lacks {mark!r}.")

    def _until(self, marks: re.Pattern[str]) -> str:
        begin = self._at
        end = marks.search(self._text, begin)
        self._at = len(self._text) if end is None else end.start()
        return self._text[begin : self._at]

    def _decode(self, text: str) -> str:
        try:
            return unquote(text, errors="surrogatepass")
        except UnicodeError:
            raise _bad(self._text, "its escapes are not UTF-8.") from None
