"""What a flow may ask of whatever drives it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from flowstone.core.messages import Flow, Step

__all__ = ["Engine"]

R = TypeVar("R")


class Engine(Protocol):
    """The seam between deciding and driving; see `flowstone.engines`.

    The task that runs a flow is cancelled once, where the run is. The flow passes that
    on to what it has under way, and awaits how it ended: a step or a child that is
    cancelled still gives its answer, which says what became of it. One that had not
    begun raises `asyncio.CancelledError`.
    """

    async def do(self, step: Step[R], summary: str = "") -> R:
        """Have a worker do a step, whatever is lost meanwhile, and give its answer."""
        ...

    async def spawn(self, flow: Flow[R], name: str) -> R:
        """Run a child flow under a name that is unique within this one."""
        ...

    async def sleep(self, delay: timedelta, why: str) -> None:
        """Wait, durably."""
        ...

    async def doorbell(self) -> str:
        """Wait for a bell; give the gate it rings for, empty for a freed claim."""
        ...

    def now(self) -> datetime:
        """Give the time, the same on every replay."""
        ...

    def show(self, details: Callable[[], str]) -> None:
        """Offer people a description, in Markdown, of how things stand."""
        ...

    @property
    def outdated(self) -> bool:
        """Whether newer workers are there, to which a run that waits should go."""
        ...

    @property
    def history_full(self) -> bool:
        """Whether the flow should drain and continue as new."""
        ...
