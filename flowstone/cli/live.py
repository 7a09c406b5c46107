"""Follow a run until it ends."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from flowstone.cli.board import Board
from flowstone.cli.ending import INTERRUPTED, Interrupted

if TYPE_CHECKING:
    from flowstone.run import Outcome, Run

__all__ = ["follow"]

_EVERY = 0.2
_PATIENCE = 5.0
_AT_MOST = 0.2
"""The part of the time that may go into asking how far a run is."""


async def follow(
    run: Run[Any],
    board: Board,
    *,
    app: str,
    local: bool,
    look: Callable[[], Awaitable[None]] | None = None,
) -> Outcome:
    """Show a run until it ends.

    Ctrl-C leaves a run on Temporal alone; one in this process is cancelled.

    Args:
        run: the run.
        board: where it is shown.
        app: what is said to name its app.
        local: whether it runs in this process.
        look: called with every look at it.

    Raises:
        Interrupted: by Ctrl-C.
    """
    waiting = asyncio.ensure_future(run.wait())
    if local:
        _heed_interrupts()
    try:
        with board:
            board.say(f"run {run.id}{_page(run)}")
            await _watch(run, waiting, board, app=app, look=look)
            return await waiting
    except asyncio.CancelledError:
        waiting.cancel()
        _uncancel()
        if local:
            await _cancel(run, board)
            raise Interrupted(run_id=run.id) from None
        raise Interrupted(run_id=run.id, app=app) from None


async def _watch(
    run: Run[Any],
    waiting: asyncio.Future[Outcome],
    board: Board,
    *,
    app: str,
    look: Callable[[], Awaitable[None]] | None,
) -> None:
    began, hinted = time.monotonic(), False
    while not waiting.done():
        asked = time.monotonic()
        progress = await run.progress()
        board.show(progress)
        if look is not None:
            await look()
        if not progress.total and asked - began > _PATIENCE and not hinted:
            board.say(f"no worker has taken it yet; `flowstone worker {app}` is one")
            hinted = True
        taken = time.monotonic() - asked
        await asyncio.wait({waiting}, timeout=max(_EVERY, taken / _AT_MOST))
    board.show(await run.progress())
    if look is not None:
        await look()


def _heed_interrupts() -> None:
    """Cancel this task at the first Ctrl-C, end the process at the second."""
    task, presses = asyncio.current_task(), itertools.count()
    assert task is not None

    def pressed() -> None:
        if next(presses):
            # The next look at the folder finds the process gone, and ends its runs.
            os._exit(INTERRUPTED)
        task.cancel()

    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, pressed)


async def _cancel(run: Run[Any], board: Board) -> None:
    board.say("cancelling; Ctrl-C again ends at once")
    await run.cancel()
    await run.wait()


def _uncancel() -> None:
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()


def _page(run: Run[Any]) -> str:
    return f"  {run.url}" if run.url else ""
