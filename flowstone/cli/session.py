"""Ask an app's client one thing, and close it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from flowstone.app import Flowstone
    from flowstone.client import Client

__all__ = ["ask"]

T = TypeVar("T")


def ask(app: Flowstone, local: str | None, verb: Callable[[Client], Awaitable[T]]) -> T:
    """Open the app, do one thing with its client, and close it.

    What assets print meanwhile goes to stderr: stdout is for the answer.

    Args:
        app: the app.
        local: the folder of an app that runs in this process, empty where nothing is
            kept; `None` is Temporal.
        verb: what to do.
    """

    async def asked() -> T:
        opening = app.connect() if local is None else app.local(local or None)
        async with opening as stone:
            return await verb(stone)

    with redirect_stdout(sys.stderr):
        return asyncio.run(asked())
