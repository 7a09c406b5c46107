"""The workflows that a worker serves.

They are generic. User code never runs in them, so a change of it breaks no history.
"""

from __future__ import annotations

from flowstone.engines.temporal.workflows.backfill import Backfill
from flowstone.engines.temporal.workflows.materialize import Materialize
from flowstone.engines.temporal.workflows.sense import Sense, VersionlessSense
from flowstone.engines.temporal.workflows.shard import Shard
from flowstone.engines.temporal.workflows.tick import Tick, VersionlessTick

__all__ = ["VERSIONED", "WORKFLOWS"]

WORKFLOWS = [Materialize, Backfill, Shard, Tick, Sense]
VERSIONED = [Materialize, Backfill, Shard, VersionlessTick, VersionlessSense]
"""The same, as a worker of a version serves them."""
