"""Commands that have their place, and are not built yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Never

import typer

from flowstone.cli.parameters import AsJson
from flowstone.core.errors import NotSupported

__all__ = ["LATER", "refusal"]

LATER: Mapping[str, tuple[str, str]] = {
    "plan": ("Tell what would run, in which order, and why.", ""),
}
"""What each is for, and what serves until then."""


def refusal(name: str) -> Callable[..., Never]:
    """Give the command that refuses, whatever it is asked."""
    purpose, instead = LATER[name]

    def refuse(
        words: Annotated[
            list[str] | None, typer.Argument(metavar="[WORDS]...", show_default=False)
        ] = None,
        as_json: AsJson = False,
    ) -> Never:
        del words, as_json
        raise NotSupported(what=f"`flowstone {name}`", instead=instead)

    refuse.__doc__ = f"{purpose} Not built yet."
    return refuse
