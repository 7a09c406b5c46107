"""What all workflows do around their flow."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import NoReturn, TypeVar

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from flowstone.core.errors import FlowstoneError, from_data
from flowstone.core.messages import Ended, Flow

__all__ = ["drive"]

R = TypeVar("R")

_UPGRADE = workflow.ContinueAsNewVersioningBehavior.AUTO_UPGRADE


async def drive(taken: Awaitable[R | Flow[R]]) -> R:
    """Await a flow; continue it as new, or fail with its error, where it says so."""
    try:
        found = await taken
    except FlowstoneError as error:
        _fail(error)
    if isinstance(found, Flow):
        workflow.continue_as_new(
            found, initial_versioning_behavior=_UPGRADE if found.moved else None
        )
    if isinstance(found, Ended) and found.status == "cancelled":
        raise asyncio.CancelledError
    if isinstance(found, Ended) and found.error is not None:
        _fail(from_data(found.error))
    return found


def _fail(error: FlowstoneError) -> NoReturn:
    """Turn an error of the house into Temporal's, with its data: the one place."""
    raise ApplicationError(
        error.message, error.to_data(), type=type(error).__name__, non_retryable=True
    ) from None
