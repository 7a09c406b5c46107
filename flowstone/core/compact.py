"""The numbers of a table that crosses a continue-as-new, as short text.

Thousands of cells may be asleep when a history is full: as JSON, their instants alone
would be larger than a payload should be.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, pairwise

from flowstone.core.messages import Carried

__all__ = ["lengthen", "shorten"]


def shorten(carried: Carried) -> Carried:
    """Give a table whose numbers are written short."""
    mappings = (carried.due, carried.failures, carried.asked)
    columns = [c for m in mappings for c in (list(m), list(m.values()))]
    columns += [list(carried.solo), list(carried.millis)]
    # What grows little by little is a list of small differences.
    text = json.dumps([_steps(c) for c in columns], separators=(",", ":"))
    numbers = base64.b85encode(zlib.compress(text.encode(), 9)).decode()
    return replace(
        carried, due={}, failures={}, asked={}, solo=(), millis=(), numbers=numbers
    )


def lengthen(carried: Carried) -> Carried:
    """Give back the table that was shortened; one that was not is given as it is."""
    if not carried.numbers:
        return carried
    text = zlib.decompress(base64.b85decode(carried.numbers))
    columns: list[list[int]] = json.loads(text)
    found = [list(accumulate(steps)) for steps in columns]
    due, failures, asked = (
        dict(zip(found[at], found[at + 1], strict=True)) for at in (0, 2, 4)
    )
    return replace(
        carried,
        due=due,
        failures=failures,
        asked=asked,
        solo=found[6],
        millis=found[7],
        numbers="",
    )


def _steps(numbers: Sequence[int]) -> list[int]:
    return [after - before for before, after in pairwise((0, *numbers))]
