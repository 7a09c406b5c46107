"""A context for tests: it answers like the real one, and keeps what it was told."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from flowstone.core.asset import AnyAsset
from flowstone.core.partition import PartitionKey
from flowstone.core.ref import Key
from flowstone.steps.context import Context
from flowstone.steps.toolbox import Call
from flowstone.steps.watch import Region

__all__ = ["FakeContext", "fake_context"]


@dataclass(frozen=True, kw_only=True)
class FakeContext(Context):
    """A context that a test gives, and asks afterwards.

    Attributes:
        beats: what the function told by `ctx.heartbeat(...)` and `ctx.progress(...)`.
    """

    beats: list[object] = field(default_factory=list[object])
    _stop: threading.Event = field(default_factory=threading.Event)

    @property
    def facts(self) -> Mapping[str, object]:
        """What the function kept with its value by `ctx.metadata(...)`."""
        return dict(self._facts)

    def cancel(self) -> None:
        """Cancel the run: the function is told as in a real one."""
        self._stop.set()


def fake_context(
    asset: AnyAsset | str = "asset",
    partition: Key | None = None,
    *,
    run_id: str = "test-run",
    attempt: int = 1,
    scheduled_at: datetime | None = None,
    resources: Mapping[str, object] | None = None,
    token: str = "test-token",  # noqa: S107 - it opens nothing
) -> FakeContext:
    """Give a context for a test.

    Args:
        asset: the asset, or its name.
        partition: the key.
        run_id: the run.
        attempt: which attempt it is.
        scheduled_at: when the schedule fired.
        resources: what `ctx.resources` has.
        token: what `ctx.token` gives.

    Raises:
        BadPartition: the key is of no supported type.

    Example:
        >>> from flowstone.testing import fake_context
        >>> ctx = fake_context("label", "eu")
        >>> ctx.metadata(rows=3)
        >>> ctx.facts
        {'rows': 3}
    """
    PartitionKey.of(partition)
    beats: list[object] = []
    stop = threading.Event()
    return FakeContext(
        asset=asset if isinstance(asset, str) else asset.name,
        partition=partition,
        run_id=run_id,
        attempt=attempt,
        started_at=datetime.now(UTC),
        scheduled_at=scheduled_at,
        resources=dict(resources or {}),
        beats=beats,
        _call=Call(
            workflow="test",
            attempt=1,
            beat=beats.append,
            cancelled=stop,
            region=Region(stop),
        ),
        _token=lambda: token,
        _stop=stop,
    )
