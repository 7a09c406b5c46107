"""One synchronous activity for each type of step."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError

from flowstone.core.messages import Step
from flowstone.engines.temporal.ids import activity_name
from flowstone.steps.table import STEPS, take_step
from flowstone.steps.toolbox import Toolbox

__all__ = ["make_activities"]


def make_activities(toolbox: Toolbox) -> list[Callable[..., object]]:
    """Give the activities of an app."""
    return [_activity(toolbox, step) for step in STEPS]


def _activity(toolbox: Toolbox, kind: type[Step[object]]) -> Callable[..., object]:
    def do(step: Any) -> Any:
        info = activity.info()
        here = _Here()
        found = take_step(
            toolbox,
            step,
            workflow=info.workflow_id or "",
            attempt=info.attempt,
            beat=here.beat,
            cancelled=here,
        )
        here.refuse_if_lost()
        return found

    do.__annotations__ = {"step": kind, "return": kind.answer}
    return activity.defn(name=activity_name(kind), no_thread_cancel_exception=True)(do)


class _Here:
    """The activity that runs in this thread, as other threads may ask of it."""

    def __init__(self) -> None:
        self._context = contextvars.copy_context()

    def beat(self, details: object) -> None:
        """Heartbeat, from any thread."""
        said = () if details is None else (details,)
        self._context.copy().run(activity.heartbeat, *said)

    def is_set(self) -> bool:
        """Tell whether it should stop."""
        return self._context.copy().run(activity.is_cancelled)

    def refuse_if_lost(self) -> None:
        """Have it tried again where it stopped for another reason than the user's.

        A worker that shuts down, or that Temporal has given up on, also stops its
        activities; what they then say of their cells is not what the run wants.
        """
        why = self._context.copy().run(activity.cancellation_details)
        if why is not None and not why.cancel_requested:
            message = "the worker is stopping"
            raise ApplicationError(message, type="WorkerStopping")
