"""What an asset may return by its design, and not yet by this release."""

from __future__ import annotations

from flowstone.core.errors import NotSupported
from flowstone.core.outcome import Approval, Signal

__all__ = ["not_built"]


def not_built(value: object) -> NotSupported | None:
    """Refuse what is not built yet of an outcome, if there is such a thing in it."""
    match value:
        case Approval():
            return NotSupported(what="Approval(...)")
        case Signal(key=str()):
            return NotSupported(what="Signal(key=...)", instead="Pass on ctx.token.")
        case Signal(on_timeout="extend" | "rerun" as word):
            return NotSupported(
                what=f"Signal(on_timeout={word!r})",
                instead="Use 'fail' or 'cancel', or decide in .on_timeout.",
            )
        case _:
            return None
