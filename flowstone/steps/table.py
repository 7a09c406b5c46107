"""Which function does which step: the one dispatch that both engines use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar, cast

from flowstone.core.messages import (
    EndRun,
    MakePlan,
    ReadPlan,
    RunAssets,
    SettleGates,
    Step,
)
from flowstone.core.ticks import CheckSensor, ResolveTick
from flowstone.steps.end import end_run
from flowstone.steps.gates import settle_gates
from flowstone.steps.plan import make_plan, read_plan
from flowstone.steps.retelling import retell
from flowstone.steps.running import run_assets
from flowstone.steps.sensors import check_sensor
from flowstone.steps.ticks import resolve_tick
from flowstone.steps.toolbox import Call, Toolbox
from flowstone.steps.watch import Flag

__all__ = ["STEPS", "take_step"]

R = TypeVar("R")

STEPS: Mapping[type[Step[object]], Callable[..., object]] = {
    MakePlan: make_plan,
    ReadPlan: read_plan,
    RunAssets: run_assets,
    SettleGates: settle_gates,
    EndRun: end_run,
    ResolveTick: resolve_tick,
    CheckSensor: check_sensor,
}


def take_step(
    toolbox: Toolbox,
    step: Step[R],
    *,
    workflow: str,
    attempt: int,
    beat: Callable[[object], None],
    cancelled: Flag,
) -> R:
    """Do a step; see `Call` for what an engine hands in."""
    with toolbox.watch.over(beat, cancelled) as region:
        call = Call(
            workflow=workflow,
            attempt=attempt,
            beat=beat,
            cancelled=cancelled,
            region=region,
        )
        if attempt > 1:
            retell(toolbox, step)
        return cast("R", STEPS[type(step)](toolbox, call, step))
