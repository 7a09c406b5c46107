"""How often one source may ask: a bucket for each, in bounded memory."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable

__all__ = ["Limiter"]

_MINUTE = 60.0
_SOURCES = 50_000


class Limiter:
    """Counts what sources ask; of one instance, and of nobody else's.

    A bucket fills within a minute. Those that were not used for longest are forgotten
    where there are too many: whoever is forgotten begins anew.

    Args:
        rate: how many requests a minute one source may make, and at once.
        sources: how many are remembered.
        clock: tells the time in seconds.
    """

    def __init__(
        self,
        rate: int,
        *,
        sources: int = _SOURCES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate = rate
        self._most = sources
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, source: str) -> int:
        """Take one request of a source's; give the seconds to wait, 0 for none."""
        now = self._clock()
        left, since = self._buckets.pop(source, (float(self._rate), now))
        left = min(self._rate, left + (now - since) * self._rate / _MINUTE)
        allowed = left >= 1
        self._buckets[source] = (left - 1 if allowed else left, now)
        while len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
        return 0 if allowed else math.ceil((1 - left) * _MINUTE / self._rate)

    def __len__(self) -> int:
        return len(self._buckets)
