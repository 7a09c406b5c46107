"""Drawings: a tree of text, Mermaid, DOT."""

from __future__ import annotations

from typing import Literal, cast

import pytest

from flowstone.core.errors import NotSupported
from flowstone.core.graph import render

FAN = {
    "raw": list[str](),
    "alone": [],
    "left": ["raw"],
    "right": ["raw"],
    "report": ["left", "right", "left"],
}


def test_text_is_a_tree() -> None:
    """Each node is below one of its parents, and marked where it is there again."""
    assert render({**FAN, "end": ["report"]}).splitlines() == [
        "raw",
        "├── left",
        "│   └── report",
        "│       └── end",
        "└── right",
        "    └── report (see above)",
        "alone",
    ]


def test_a_leaf_that_is_there_again_needs_no_mark() -> None:
    """What has nothing below it hides nothing."""
    assert render(FAN).splitlines()[-2] == "    └── report"


def test_mermaid_has_a_line_for_each_edge() -> None:
    """An edge is drawn once; a node without any is drawn by itself."""
    assert render(FAN, "mermaid").splitlines() == [
        "graph TD",
        "  alone",
        "  raw --> left",
        "  raw --> right",
        "  left --> report",
        "  right --> report",
    ]


def test_dot_has_a_line_for_each_edge() -> None:
    """An edge is drawn once; a node without any is drawn by itself."""
    assert render(FAN, "dot").splitlines() == [
        "digraph {",
        '  "alone";',
        '  "raw" -> "left";',
        '  "raw" -> "right";',
        '  "left" -> "report";',
        '  "right" -> "report";',
        "}",
    ]


def test_a_long_chain_is_drawn() -> None:
    """A chain may be longer than Python's stack is deep."""
    chain = {f"n{i}": [f"n{i - 1}"] if i else [] for i in range(3_000)}

    assert len(render(chain).splitlines()) == 3_000


def test_an_unknown_style_is_refused() -> None:
    """There are three styles."""
    style = cast("Literal['text']", "svg")
    with pytest.raises(NotSupported, match="A graph as 'svg' is not supported"):
        render(FAN, style)
