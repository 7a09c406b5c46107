"""What attempts left behind: found, shown, and deleted where that is asked for."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from dataclasses import asdict
from typing import TYPE_CHECKING

from flowstone.cli.show import cell, say, table

if TYPE_CHECKING:
    from flowstone.app import Flowstone
    from flowstone.garbage import Found

__all__ = ["collect", "collected_data", "say_collected"]

_SHOWN = 50


def collect(owner: Flowstone, local: str | None, *, delete: bool) -> Found:
    """Find what attempts left behind, and delete it where that is asked for."""
    from flowstone.doctor import toolbox_of
    from flowstone.garbage import delete_garbage, find_garbage
    from flowstone.settings import Settings

    with redirect_stdout(sys.stderr), toolbox_of(owner, local) as toolbox:
        found = find_garbage(toolbox)
        if delete:
            delete_garbage(toolbox, found, actor=Settings.from_env().actor)
    return found


def collected_data(found: Found) -> dict[str, object]:
    """Give it as JSON has it."""
    return {
        "found": [asdict(one) for one in found.garbage],
        "bytes": found.bytes,
        "deleted": found.deleted,
        "kept": found.kept,
        "strangers": [{"io": io, "location": at} for io, at in found.strangers],
        "silent": found.silent,
        "problems": found.problems,
    }


def say_collected(found: Found | None) -> None:
    """Say it to people."""
    if found is None:
        say("\nNothing was looked for: the ledger does not answer.")
        return
    say("")
    if found.garbage:
        table(
            ["io", "asset", "bytes", "why", "location"],
            [
                [one.io, cell(one.asset, one.key), one.bytes, one.why, one.location]
                for one in found.garbage[:_SHOWN]
            ],
        )
    left = len(found.garbage) - _SHOWN
    more = f", of which {left} are not shown" if left > 0 else ""
    what = f"{len(found.garbage)} objects, {found.bytes} bytes, are nobody's{more}"
    if found.deleted is None:
        say(f"{what}; nothing was deleted. --gc --delete deletes them.")
    else:
        say(f"{what}; {found.deleted} were deleted.")
    for io, location in found.strangers[:_SHOWN]:
        say(f"{io}: no attempt of this ledger wrote {location}; it is left alone")
    for io in found.silent:
        say(f"{io}: this manager cannot tell what it keeps")
    for place, why in found.problems.items():
        say(f"{place}: {why}")
