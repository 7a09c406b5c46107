"""Who is told of events: handlers, of this process or of one client alone."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from typing import TypeAlias

from flowstone.core.errors import ConfigurationError
from flowstone.core.events import Event

__all__ = ["PROCESS", "Handler", "Handlers", "attach", "detach"]

_LOG = logging.getLogger("flowstone")
_ALL = "flowstone."

Handler: TypeAlias = Callable[[Event], object]
"""What is called with an event, in whichever thread it happened in."""


class Handlers:
    """Handlers, each with the beginning of the names that it wants.

    Args:
        above: others that are told too.
    """

    def __init__(self, above: Handlers | None = None) -> None:
        self._above = above
        self._lock = threading.Lock()
        self._attached: tuple[tuple[str, Handler], ...] = ()

    def attach(self, handler: Handler, prefix: str = _ALL) -> None:
        """Have a handler told; a second time with the same prefix changes nothing.

        Raises:
            ConfigurationError: no event's name begins like that.
        """
        if not (prefix.startswith(_ALL) or _ALL.startswith(prefix)):
            raise ConfigurationError(
                problems=[
                    f"No event's name begins with {prefix!r}: all of them begin with "
                    f"{_ALL!r}, as in 'flowstone.materialization.'."
                ]
            )
        with self._lock:
            if (prefix, handler) not in self._attached:
                self._attached += ((prefix, handler),)

    def detach(self, handler: Handler) -> None:
        """Tell a handler nothing more, whatever it was attached to."""
        with self._lock:
            self._attached = tuple(a for a in self._attached if a[1] != handler)

    def listens(self, prefix: str) -> bool:
        """Tell whether anybody wants events whose names begin so."""
        mine = any(
            prefix.startswith(wanted) or wanted.startswith(prefix)
            for wanted, _ in self._attached
        )
        return mine or (self._above is not None and self._above.listens(prefix))

    def emit(self, events: Iterable[Event]) -> None:
        """Tell whoever wants to know; one that fails is logged, and harms nobody."""
        attached = self._everybody()
        if not attached:
            return
        for event in events:
            for wanted, handler in attached:
                if event.name.startswith(wanted):
                    _tell(handler, event)

    def _everybody(self) -> tuple[tuple[str, Handler], ...]:
        above = () if self._above is None else self._above._everybody()
        return self._attached + above


def _tell(handler: Handler, event: Event) -> None:
    try:
        handler(event)
    except Exception:  # noqa: BLE001 - whatever it raises, the run goes on
        _LOG.exception("a handler of events failed on %s; it goes on", event.name)


PROCESS = Handlers()
"""The handlers of this process: the one thing here that changes; see decision 0021."""


def attach(handler: Handler, prefix: str = _ALL) -> None:
    """Have a handler told of events of every app in this process.

    It is called after what it is told of is committed, in the thread in which that
    happened, at least once for each event; equal events are one event told twice.

    Args:
        handler: called with each event; what it raises is logged.
        prefix: how the names of the events begin that it wants.

    Raises:
        ConfigurationError: no event's name begins like that.

    Example:
        >>> from flowstone import telemetry
        >>> telemetry.attach(print, "flowstone.run.")
        >>> telemetry.detach(print)
    """
    PROCESS.attach(handler, prefix)


def detach(handler: Handler) -> None:
    """Tell a handler nothing more, whatever it was attached to."""
    PROCESS.detach(handler)
