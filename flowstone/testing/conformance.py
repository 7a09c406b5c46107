"""Check that an IO manager keeps the promises that Flowstone relies on."""

from __future__ import annotations

import inspect

import pytest

from flowstone.io import IOManager
from flowstone.testing import io_places, io_streams, io_suite

__all__ = ["CHECKS", "io_conformance"]

CHECKS = (*io_suite.CHECKS, *io_places.CHECKS, *io_streams.CHECKS)
"""All that every IO manager promises."""


def io_conformance(manager: IOManager) -> None:
    """Run every check of the suite that Flowstone's own managers pass.

    What a manager offers beside `store`, `load` and `delete` is checked too. The
    checks leave a few hundred values behind, in slots that nobody else has.

    Args:
        manager: yours, on a store that nobody else writes to meanwhile.

    Raises:
        ExceptionGroup: the promises that it does not keep, all at once, each with
            what was promised.

    Example:
        >>> from flowstone import MemoryIO
        >>> from flowstone.testing import io_conformance
        >>> io_conformance(MemoryIO())
    """
    broken: list[Exception] = []
    for check in CHECKS:
        try:
            check(manager)
        except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001
            # What pytest itself raises is no Exception, and could not be in the group.
            found = error if isinstance(error, Exception) else AssertionError(error)
            found.add_note(f"{check.__name__}: {inspect.getdoc(check)}")
            broken.append(found)
    if broken:
        kept = len(CHECKS) - len(broken)
        raise ExceptionGroup(
            f"{type(manager).__name__} keeps {kept} of {len(CHECKS)} promises", broken
        )
