"""Tell whoever listens that values are loaded and stored.

Nothing of it is recorded: how often a value is moved depends on how assets share their
packs. Where nobody listens it costs one look.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import NamedTuple, TypedDict

from flowstone.core.events import LoadStarted, LoadStopped, StoreStarted, StoreStopped
from flowstone.telemetry import Handlers

__all__ = ["Moved", "Moves"]

_STORE, _LOAD = "flowstone.io.store.", "flowstone.io.load."


class Moved(NamedTuple):
    """A value that is moved: of which asset and key, by which manager."""

    asset: str
    key: str
    io: str
    version: str


class _Said(TypedDict):
    asset: str
    key: str
    io: str
    version: str
    run: str
    at: datetime


class Moves:
    """The movements of one run's values.

    Args:
        telemetry: who is told.
        run: the run.
    """

    def __init__(self, telemetry: Handlers, run: str) -> None:
        self._telemetry = telemetry
        self._run = run

    @contextmanager
    def loading(self, value: Callable[[], Moved], size: int) -> Generator[None]:
        """Tell of a load, however it ends; `value` is asked where somebody listens."""
        if not self._telemetry.listens(_LOAD):
            yield
            return
        moved = value()
        self._telemetry.emit([LoadStarted(**self._said(moved))])
        began, outcome = time.perf_counter(), "failed"
        try:
            yield
            outcome = "ok"
        finally:
            done = LoadStopped(
                **self._said(moved),
                outcome=outcome,
                millis=_since(began),
                bytes=size if outcome == "ok" else None,
            )
            self._telemetry.emit([done])

    @contextmanager
    def storing(
        self, values: Callable[[], Sequence[tuple[Moved, int | None]]]
    ) -> Generator[None]:
        """Tell of values that are stored together, however that ends.

        Args:
            values: gives them with their sizes, which are known afterwards; asked
                where somebody listens.
        """
        if not self._telemetry.listens(_STORE):
            yield
            return
        self._telemetry.emit(StoreStarted(**self._said(one)) for one, _ in values())
        began, outcome = time.perf_counter(), "failed"
        try:
            yield
            outcome = "ok"
        finally:
            millis, found = _since(began), values()
            self._telemetry.emit(
                StoreStopped(
                    **self._said(moved),
                    outcome=outcome,
                    millis=millis,
                    bytes=size,
                    together=len(found),
                )
                for moved, size in found
            )

    def _said(self, moved: Moved) -> _Said:
        return _Said(**moved._asdict(), run=self._run, at=datetime.now(UTC))


def _since(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 3)
