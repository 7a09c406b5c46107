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
from flowstone.steps.end import end_run
from flowstone.steps.gates import settle_gates
from flowstone.steps.pack import run_assets
from flowstone.steps.plan import make_plan, read_plan
from flowstone.steps.toolbox import Call, Toolbox

__all__ = ["STEPS", "take_step"]

R = TypeVar("R")

STEPS: Mapping[type[Step[object]], Callable[..., object]] = {
    MakePlan: make_plan,
    ReadPlan: read_plan,
    RunAssets: run_assets,
    SettleGates: settle_gates,
    EndRun: end_run,
}


def take_step(toolbox: Toolbox, call: Call, step: Step[R]) -> R:
    """Do a step."""
    return cast("R", STEPS[type(step)](toolbox, call, step))
