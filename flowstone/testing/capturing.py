"""Capture what is told to handlers."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TypeVar

from flowstone.client import Client
from flowstone.client_sync import SyncClient
from flowstone.core.events import Event
from flowstone.telemetry import PROCESS

__all__ = ["Captured", "capture_events"]

E = TypeVar("E", bound=Event)


class Captured(list[Event]):
    """Events, in the order in which they were told."""

    def of(self, kind: type[E]) -> list[E]:
        """Give those of one kind."""
        return [event for event in self if isinstance(event, kind)]

    @property
    def names(self) -> list[str]:
        """Their dotted names."""
        return [event.name for event in self]


@contextmanager
def capture_events(
    stone: Client | SyncClient | None = None, *, prefix: str = "flowstone."
) -> Generator[Captured]:
    """Capture events, for as long as the block lasts.

    Args:
        stone: whose events; by default those of every app in this process. Tests that
            run in threads of one process give it, and do not hear each other.
        prefix: how the names of the events begin.

    Example:
        >>> from flowstone import Flowstone, Pipeline, asset
        >>> from flowstone.testing import capture_events
        >>> @asset
        ... def raw() -> int:
        ...     return 1
        >>> with Flowstone("test", Pipeline(raw)).local().sync() as stone:
        ...     with capture_events(stone, prefix="flowstone.run.") as events:
        ...         _ = stone.materialize(raw).result()
        >>> events.names
        ['flowstone.run.start', 'flowstone.run.stop']
    """
    handlers = PROCESS if stone is None else stone.telemetry
    captured = Captured()

    def take(event: Event) -> None:
        captured.append(event)

    handlers.attach(take, prefix)
    try:
        yield captured
    finally:
        handlers.detach(take)
