"""How the text of a setting is read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urlsplit

__all__ = ["number", "one_of", "read_actors", "read_duration", "web_address"]

_SHORTEST = 16
"""How many characters a token has at least that somebody is known by."""


def one_of(*words: str) -> Callable[[str], str]:
    """Read one of some words."""

    def read(text: str) -> str:
        if text not in words:
            raise ValueError(f"use {', '.join(words[:-1])} or {words[-1]}")  # noqa: EM102
        return text

    return read


def number(least: int, most: int, example: str) -> Callable[[str], int]:
    """Read a whole number within bounds."""

    def read(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise ValueError(f"use {example}, from {least} to {most}")  # noqa: EM102
        return int(text)

    return read


def web_address(text: str) -> str:
    """Read where something answers over HTTP; a path may be in front of it.

    Raises:
        ValueError: it is no such address.
    """
    parts = urlsplit(text)
    known = parts.scheme in {"http", "https"} and bool(parts.hostname)
    if not known or parts.query or parts.fragment or parts.username is not None:
        raise ValueError("use https://host, with a port or a path if need be")
    return text.rstrip("/")


def read_duration(text: str) -> timedelta:
    """Read a time: seconds, an ISO 8601 duration, or hours, minutes and seconds.

    Raises:
        ValueError: it is none, or not above 0.
    """
    try:
        found = _read_time(text)
    except (ValueError, OverflowError):
        found = timedelta(0)
    if found <= timedelta(0):
        raise ValueError("use seconds, PT30S or 0:00:30, above 0")
    return found


def _read_time(text: str) -> timedelta:
    if text.replace(".", "", 1).isdecimal():
        return timedelta(seconds=float(text))
    # The other forms are rare, and their library is heavy.
    from pydantic import TypeAdapter  # noqa: PLC0415

    return TypeAdapter(timedelta).validate_python(text)


def read_actors(text: str) -> dict[str, str]:
    """Read `name:token` pairs, with commas between them."""
    found: dict[str, str] = {}
    for number, pair in enumerate(text.split(","), 1):
        actor, colon, token = (part.strip() for part in pair.partition(":"))
        if not actor or not colon or len(token) < _SHORTEST or actor in found:
            message = (
                f"use name:token pairs with commas between them, each name once, each "
                f"token of at least {_SHORTEST} characters; pair {number} is none"
            )
            raise ValueError(message)
        found[actor] = token
    return found
