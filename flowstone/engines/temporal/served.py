"""The workflows that a worker serves.

They are generic. User code never runs in them, so a change of it breaks no history.
"""

from __future__ import annotations

from flowstone.engines.temporal.workflows.backfill import Backfill
from flowstone.engines.temporal.workflows.materialize import Materialize
from flowstone.engines.temporal.workflows.sense import Sense
from flowstone.engines.temporal.workflows.shard import Shard
from flowstone.engines.temporal.workflows.tick import Tick

__all__ = ["WORKFLOWS"]

WORKFLOWS = [Materialize, Backfill, Shard, Tick, Sense]
