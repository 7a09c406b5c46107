"""What the client asks of whatever drives runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from flowstone.core.health import Component
from flowstone.core.messages import Backfill, Materialize
from flowstone.ledger.base import RunRow

__all__ = ["Backend", "flow_of"]


def flow_of(run: RunRow) -> Materialize | Backfill:
    """Give the flow that does what a run was asked for."""
    if run.request.verb == "backfill":
        return Backfill(request=run.request)
    return Materialize(request=run.request)


class Backend(Protocol):
    """Starts runs and reaches them; one for each client."""

    owner: str
    """What proves that the process of a run lives, where runs need one."""

    async def start(self, flow: Materialize | Backfill, run: RunRow) -> str:
        """Start a run, or join the one that has its workflow's id.

        Returns:
            The id of the run that goes on now: this one's, or the one joined.

        Raises:
            AlreadyRunning: another one has the id, and was asked for differently.
            ConfigurationError: whatever drives runs does not answer.
        """
        ...

    async def wait(self, run: RunRow) -> None:
        """Wait until a run's workflow has ended, however it did."""
        ...

    async def is_alive(self, run: RunRow) -> bool:
        """Tell whether a run's workflow is open and is this run's."""
        ...

    async def ring(self, workflow: str, gate: str) -> bool:
        """Ring a workflow's bell, for a gate or (empty) for a freed claim.

        Returns:
            Whether anybody was there to hear it.
        """
        ...

    async def cancel(self, run: RunRow) -> None:
        """Ask a run to stop."""
        ...

    def url(self, run: RunRow) -> str | None:
        """Give the page on which people follow a run, if there is one."""
        ...

    async def health(self) -> Sequence[Component]:
        """Tell how whatever drives runs is."""
        ...

    async def close(self) -> None:
        """Let go of everything."""
        ...
