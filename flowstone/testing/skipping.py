"""A clock that a test turns: Temporal skips the time that nothing happens in."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import TimeSkipper

from flowstone.testing.servers import Served

__all__ = ["Clock"]

_LOOK_AGAIN = 0.5


class Clock:
    """The clock of runs that are served on a development server.

    Args:
        served: the app.
    """

    def __init__(self, served: Served) -> None:
        self._served = served
        self._skipper = TimeSkipper(served.temporal)

    async def advance(self, by: timedelta) -> None:
        """Let time pass for every run of the app that goes on now.

        What is due in that time happens, in its order, and as fast as it can: timers
        of gates, retries and snoozes. Time stands still for a run while one of its
        functions runs. It comes back when that time has passed or the run has ended.

        The ledger's clock is not turned. A gate that opens later has its deadline by
        that one, so let one test have one run.

        Args:
            by: how much; a little more than the deadline that is to pass.

        Raises:
            AssertionError: no run goes on.
        """
        turned: dict[str, asyncio.Task[None]] = {}
        while True:
            for workflow in await self._open():
                if workflow not in turned:
                    turned[workflow] = asyncio.ensure_future(self._turn(workflow, by))
            if not turned:
                raise AssertionError(
                    "No run goes on, so no time can pass for it: start one first."
                )
            await asyncio.wait(turned.values(), timeout=_LOOK_AGAIN)
            if all(task.done() for task in turned.values()):
                break
        await asyncio.gather(*turned.values())

    async def _open(self) -> set[str]:
        """Give the workflows of the app that go on, children too."""
        toolbox = self._served.toolbox
        live = await asyncio.to_thread(toolbox.ledger.outbox.live, toolbox.name)
        prefix = f"flowstone/{toolbox.name}/"
        query = f"ExecutionStatus='Running' AND WorkflowId STARTS_WITH {prefix!r}"
        listed = self._served.temporal.list_workflows(query)
        return {run.workflow for run in live} | {w.id async for w in listed}

    async def _turn(self, workflow: str, by: timedelta) -> None:
        handle = self._served.temporal.get_workflow_handle(workflow)
        try:
            await self._skipper.fast_forward(handle, by)
        except RPCError as error:
            # It has ended meanwhile.
            if error.status not in {
                RPCStatusCode.NOT_FOUND,
                RPCStatusCode.FAILED_PRECONDITION,
            }:
                raise
