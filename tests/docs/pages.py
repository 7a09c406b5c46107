"""The pages of the documentation, as their tests read them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["PAGES", "ROOT", "Block", "blocks", "name_of"]

ROOT = Path(__file__).parents[2]
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
_FENCE = re.compile(
    r"^```(?P<language>\w*)(?P<marks>[^\n]*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block of a page.

    Attributes:
        line: where its text begins.
        marks: what is said beside its language.
        follows: whether nothing but empty lines is between it and the block before.
    """

    language: str
    marks: str
    text: str
    line: int
    follows: bool


def blocks(page: Path) -> Iterator[Block]:
    """Give the blocks of a page in order."""
    text = page.read_text()
    end = 0
    for found in _FENCE.finditer(text):
        yield Block(
            language=found["language"],
            marks=found["marks"].strip(),
            text=found["text"],
            line=text.count("\n", 0, found.start("text")),
            follows=end > 0 and not text[end : found.start()].strip(),
        )
        end = found.end()


def name_of(page: Path) -> str:
    """Give a page's path as people know it."""
    return page.relative_to(ROOT).as_posix()
