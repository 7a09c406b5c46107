"""Small words about words: the closest name, a list for people."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["closest"]


def closest(name: str, known: Iterable[str]) -> str | None:
    """Give the known name most like `name`, if any is like it at all."""
    found = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return found[0] if found else None
