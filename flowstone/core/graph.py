"""Drawings of a graph: a tree of text, Mermaid, DOT.

Each takes the parents of every node, in an order in which parents come first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from flowstone.core.errors import NotSupported

__all__ = ["render"]


def render(
    parents: Mapping[str, Iterable[str]],
    style: Literal["text", "mermaid", "dot"] = "text",
) -> str:
    """Draw a graph.

    Raises:
        NotSupported: the style is none of the three.
    """
    edges = [(p, c) for c, found in parents.items() for p in dict.fromkeys(found)]
    if style == "text":
        return _text(parents, edges)
    if style == "mermaid":
        return "\n".join(
            [
                "graph TD",
                *_lonely(parents, edges, "  {}"),
                *(f"  {p} --> {c}" for p, c in edges),
            ]
        )
    if style == "dot":
        lines = [
            *_lonely(parents, edges, '  "{}";'),
            *(f'  "{p}" -> "{c}";' for p, c in edges),
        ]
        return "\n".join(["digraph {", *lines, "}"])
    raise NotSupported(
        what=f"A graph as {style!r}", instead="Styles are text, mermaid and dot."
    )


def _lonely(nodes: Iterable[str], edges: list[tuple[str, str]], form: str) -> list[str]:
    linked = {name for edge in edges for name in edge}
    return [form.format(n) for n in nodes if n not in linked]


def _text(nodes: Mapping[str, Iterable[str]], edges: list[tuple[str, str]]) -> str:
    children: dict[str, list[str]] = {n: [] for n in nodes}
    for parent, child in edges:
        children[parent].append(child)
    roots = [n for n in nodes if n not in {c for _, c in edges}]
    lines: list[str] = []
    drawn: set[str] = set()
    # A stack, not recursion: a chain may be longer than Python's stack is deep.
    stack = [(root, "", "") for root in reversed(roots)]
    while stack:
        name, mark, indent = stack.pop()
        again = name in drawn and bool(children[name])
        lines.append(f"{mark}{name}{' (see above)' if again else ''}")
        if name in drawn:
            continue
        drawn.add(name)
        below = children[name]
        for place in range(len(below) - 1, -1, -1):
            last = place == len(below) - 1
            stack.append(
                (
                    below[place],
                    f"{indent}{'└── ' if last else '├── '}",
                    f"{indent}{'    ' if last else '│   '}",
                )
            )
    return "\n".join(lines)
