"""What is made along with its plan: a whole run, where all of it is known to be short.

Such a run then costs one activity. A longer one is left to its flow: its page tells
what is being made, and its parts may go to several workers.
"""

from __future__ import annotations

from datetime import datetime

from flowstone.core.messages import Cell, Request
from flowstone.core.plan import Skeleton
from flowstone.core.state import RunState

__all__ = ["taken_along"]


def taken_along(skeleton: Skeleton, request: Request, now: datetime) -> list[Cell]:
    """Give the cells of a run, in order, where all of them fit the budget of one pack.

    Args:
        skeleton: the run's plan, of which nothing has been started.
        request: how the run was asked for.
        now: the time.
    """
    given = frozenset(skeleton.given)
    millis = [m for node, m in enumerate(skeleton.millis) if node not in given]
    if not millis or min(millis) < 0 or sum(millis) > request.budget:
        return []
    if request.packs == "off" or request.verb == "backfill":
        return []
    state = RunState(skeleton, request)
    orders = state.orders(now, 2)
    if len(orders) != 1 or not orders[0].last:
        return []
    return [state.cell(number) for number in orders[0].cells]
