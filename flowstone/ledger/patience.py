"""Reading through an outage: whoever waits for a run outlives its database."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from sqlalchemy.exc import OperationalError

__all__ = ["patiently", "within"]

P = ParamSpec("P")
T = TypeVar("T")

_LONGEST = 120.0


def patiently(work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Do what changes nothing by being done twice, again until the database answers.

    Raises:
        OperationalError: it did not answer for two minutes.
    """
    return within(_LONGEST, lambda: work(*args, **kwargs))


def within(seconds: float, work: Callable[[], T]) -> T:
    """Do the same for so many seconds.

    Raises:
        OperationalError: the database did not answer in time.
    """
    ends = time.monotonic() + seconds
    pause = 0.1
    while True:
        try:
            return work()
        except OperationalError:
            if time.monotonic() > ends:
                raise
            time.sleep(pause)
            pause = min(pause * 2, 2.0)
