"""Small words about words: the closest name, a list for people."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["MASK", "closest", "error_line", "masked"]

MASK = "***"
"""What stands for a secret."""

_SECRETS = (
    # the password of a URL; it may have anything in it but what ends a URL
    re.compile(
        r"(?P<before>\b[a-z][a-z0-9+.-]*://[^\s/@:]*:)[^\s/]*(?=@)", re.IGNORECASE
    ),
    re.compile(
        r"(?P<before>\b[\w-]*(?:password|passwd|pwd|secret|token|api[_-]?key)"
        r"[\"']?\s*[=:]\s*[\"']?)[^\s&;,\"']+",
        re.IGNORECASE,
    ),
)


def closest(name: str, known: Iterable[str]) -> str | None:
    """Give the known name most like `name`, if any is like it at all."""
    found = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return found[0] if found else None


def masked(text: str) -> str:
    """Give a text for people without the passwords and keys that are found in it."""
    for secret in _SECRETS:
        text = secret.sub(rf"\g<before>{MASK}", text)
    return text


def error_line(error: BaseException) -> str:
    """Give an error in one line, without what looks like a secret."""
    name = type(error).__name__
    # what SQLAlchemy wraps says it shorter
    text = " ".join(str(getattr(error, "orig", None) or error).split())
    return masked(f"{name}: {text}" if text else name)
