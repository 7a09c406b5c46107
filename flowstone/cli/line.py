"""The line as it was typed, made into the one that the commands read.

Here alone is decided which app is meant. Every command has the app as its first
argument; where `--app` or `FLOWSTONE_APP` says it, it is put there, and what was
typed first becomes the second:

| typed | environment | read |
|---|---|---|
| `materialize shop:app report` | | `materialize shop:app report` |
| `materialize report --app shop:app` | | `materialize shop:app report` |
| `materialize report` | `shop:app` | `materialize shop:app report` |
| `materialize other:app report` | `shop:app` | `materialize other:app report` |

The last one is safe: no asset, run or token is written as `module:name`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import typer

__all__ = ["Line", "read_line"]

_APP = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What was typed.

    Attributes:
        words: as the commands read them.
        json: whether answers and errors are JSON.
        debug: whether tracebacks are shown.
    """

    words: Sequence[str]
    json: bool = False
    debug: bool = False

    @staticmethod
    def plain(typed: Sequence[str]) -> Line:
        """Give the line as it is, with what it says about answers."""
        said, _ = _split(typed)
        return Line(words=typed, json="--json" in said, debug="--debug" in said)


def read_line(
    typed: Sequence[str], environ: Mapping[str, str], groups: Collection[str]
) -> Line:
    """Read a line.

    Args:
        typed: the words after the program's name.
        environ: where `FLOWSTONE_APP` may be.
        groups: the commands that have commands of their own.

    Raises:
        BadParameter: `--app` comes without an app.
    """
    line = Line.plain(typed)
    said, rest = _split(typed)
    given, said = _take_app([word for word in said if word != "--debug"])
    head = _head(said, groups)
    after = [*_optional_value("--local", said[head:]), *rest]
    app = given or _of_environment(environ, after)
    if app and head:
        after = [app, *after]
    return Line(words=[*said[:head], *after], json=line.json, debug=line.debug)


def _split(typed: Sequence[str]) -> tuple[list[str], list[str]]:
    """Part the line before `--`, after which nothing is an option."""
    end = typed.index("--") if "--" in typed else len(typed)
    return list(typed[:end]), list(typed[end:])


def _take_app(said: Sequence[str]) -> tuple[str, list[str]]:
    app, others = "", list[str]()
    words = iter(said)
    for word in words:
        name, found, value = word.partition("=")
        if name != "--app":
            others.append(word)
            continue
        app = value if found else next(words, "")
        if not app or app.startswith("-"):
            raise typer.BadParameter("name the app as module:name", param_hint="--app")
    return app, others


def _of_environment(environ: Mapping[str, str], after: Sequence[str]) -> str:
    first = next((word for word in after if not word.startswith("-")), "")
    return "" if _APP.fullmatch(first) else environ.get("FLOWSTONE_APP", "")


def _head(said: Sequence[str], groups: Collection[str]) -> int:
    """Count the words up to the end of the command's name; 0 where none is named."""
    if not said or said[0].startswith("-"):
        return 0
    if said[0] not in groups:
        return 1
    return 2 if len(said) > 1 and not said[1].startswith("-") else 0


def _optional_value(option: str, words: Sequence[str]) -> list[str]:
    """Write an option that was given without its value as one whose value is empty."""
    return [
        f"{option}=" if word == option and after.startswith("-") else word
        for word, after in pairwise([*words, "-"])
    ]
