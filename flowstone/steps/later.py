"""What an asset may return by its design, and not yet by this release."""

from __future__ import annotations

from flowstone.core.errors import NotSupported
from flowstone.core.outcome import Signal

__all__ = ["not_built"]


def not_built(value: object) -> NotSupported | None:
    """Refuse what is not built yet of an outcome, if there is such a thing in it."""
    match value:
        case Signal(key=str()):
            return NotSupported(what="Signal(key=...)", instead="Pass on ctx.token.")
        case _:
            return None
