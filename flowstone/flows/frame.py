"""What every run begins and ends with: its plan, and the writing of its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from flowstone.core.messages import (
    Ended,
    EndRun,
    MakePlan,
    Planned,
    ReadPlan,
    Request,
    Status,
    Step,
)
from flowstone.core.replies import NotHere
from flowstone.core.table import write_table
from flowstone.flows.aio import finish
from flowstone.flows.engine import Engine

__all__ = ["end", "make_plan", "read_plan", "somebody"]

R = TypeVar("R")

_FIRST, _LONGEST = timedelta(seconds=0.5), timedelta(seconds=10)


async def make_plan(
    engine: Engine, request: Request, *, along: bool = False
) -> tuple[Planned | Ended | None, bool]:
    """Have the plan made, by a worker that has the asset.

    Args:
        engine: what drives the flow.
        request: what was asked for.
        along: whether all of it may be made at once, where it is known to be short.

    Returns:
        The plan, or the end of a run that cannot begin; nothing, where no worker came
        before the history was full or the run was cancelled. And whether it was.
    """
    found, cancelled = await somebody(
        engine,
        lambda again: MakePlan(request=request, again=again, along=along),
        "plan",
    )
    assert not isinstance(found, NotHere)
    return found, cancelled


async def somebody(
    engine: Engine, ask: Callable[[bool], Step[R]], summary: str
) -> tuple[R | None, bool]:
    """Have a step done by a worker that can, however long it takes to come.

    Args:
        engine: what drives the flow.
        ask: gives the step; whether a worker that was asked before could not.
        summary: for people.

    Returns:
        Its answer, which is not `NotHere`; nothing, where no worker came before the
        history was full or cancellation was asked for. And whether it was.
    """
    asked = 0
    while True:
        found, cancelled = await finish(engine.do(ask(asked > 0), summary))
        if not isinstance(found, NotHere | BaseException):
            return found, cancelled
        if cancelled:
            return None, True
        if isinstance(found, BaseException):
            raise found
        if engine.history_full:
            return None, False
        why = found.why
        engine.show(lambda why=why: f"Waiting for a worker: {why}")
        try:
            await engine.sleep(min(_FIRST * 2 ** min(asked, 8), _LONGEST), why)
        except asyncio.CancelledError:
            return None, True
        asked += 1


async def read_plan(
    engine: Engine, request: Request, *, moved: bool
) -> tuple[Planned | None, bool]:
    """Read the plan again; give nothing where cancellation prevented it.

    Args:
        engine: what drives the flow.
        request: what was asked for.
        moved: whether the run goes on with another version of the worker.
    """
    step = ReadPlan(run=request.run, adopt=moved)
    found, cancelled = await finish(engine.do(step, "read the plan"))
    if isinstance(found, Planned):
        return found, cancelled
    if cancelled:
        return None, True
    raise found


async def end(
    engine: Engine, request: Request, status: Status, table: bytes | bytearray
) -> Ended:
    """Have the run's end written, whoever cancels it meanwhile."""
    step = EndRun(run=request.run, status=status, table=write_table(table))
    ended, _ = await finish(engine.do(step, f"end: {status}"), stoppable=False)
    if isinstance(ended, BaseException):
        raise ended
    return ended
