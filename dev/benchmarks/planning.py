"""What costs time before any server is asked: importing, planning; and one process."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from dataclasses import dataclass
from statistics import median

from dev.benchmarks.plan_once import ASSETS
from dev.benchmarks.servers import child_environment
from dev.benchmarks.shapes import SHAPES, app
from flowstone import Context, asset
from flowstone.testing import call, fake_context

__all__ = ["Measure", "measure_planning"]

_ROUNDS = 5
_IMPORT = """
import sys, time
began = time.perf_counter()
import flowstone
print(time.perf_counter() - began)
print(*sorted({"sqlalchemy", "temporalio", "pyarrow"} & set(sys.modules)))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """Something that has no baseline but a clock.

    Attributes:
        name: by which it is found in the output.
        title: what people read.
        seconds: the median.
        target: seconds to stay under, where there are any.
        cold: the first time, where that differs.
    """

    name: str
    title: str
    seconds: float
    cold: float | None = None
    target: float | None = None

    @property
    def reached(self) -> bool | None:
        """Whether the target is reached, where there is one."""
        return None if self.target is None else self.seconds <= self.target

    def to_data(self) -> dict[str, object]:
        """Give it as `--json` prints it."""
        return {
            "ratio": None
            if self.target is None
            else round(self.seconds / self.target, 3),
            "target": self.target,
            "baseline": "clock, seconds",
            "seconds": round(self.seconds, 4),
            "cold": None if self.cold is None else round(self.cold, 4),
        }


def measure_planning() -> list[Measure]:
    """Measure them all."""
    return [*_planning(), _importing(), _in_process(), *_testing()]


# --- planning -----------------------------------------------------------------------


def _planning() -> list[Measure]:
    taken = [_plan_once() for _ in range(_ROUNDS)]
    return [
        Measure(
            name=name,
            title=f"plan {ASSETS:,} {what}",
            seconds=median(seconds[place] for seconds in taken),
            target=target,
        )
        for place, (name, what, target) in enumerate(
            (("plan", "new assets", 2.0), ("plan again", "known assets", None))
        )
    ]


def _plan_once() -> list[float]:
    done = _python("-m", "dev.benchmarks.plan_once")
    return [float(word) for word in done.split()]


# --- importing ----------------------------------------------------------------------


def _importing() -> Measure:
    first, *taken = (_import_once() for _ in range(_ROUNDS + 1))
    return Measure(
        name="import",
        title="import flowstone",
        seconds=median(taken),
        cold=first,
        target=0.15,
    )


def _import_once() -> float:
    seconds, heavy = _python("-c", _IMPORT).splitlines()
    assert not heavy, f"import flowstone loads {heavy}"
    return float(seconds)


def _python(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        env=child_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


# --- one process --------------------------------------------------------------------


def _in_process() -> Measure:
    first, *taken = asyncio.run(_chains())
    return Measure(
        name="in-process",
        title="chain of 100 in process",
        seconds=median(taken),
        cold=first,
    )


async def _chains() -> list[float]:
    chain = SHAPES[0].target
    async with app.local() as stone:

        async def once(number: int) -> float:
            began = time.perf_counter()
            run = await stone.materialize_all(chain, number, policy="always")
            outcome = await run.wait()
            assert outcome.status == "succeeded", outcome
            return time.perf_counter() - began

        return [await once(number) for number in range(_ROUNDS + 1)]


# --- testing ------------------------------------------------------------------------


def _testing() -> list[Measure]:
    first, *called = [_called() for _ in range(_ROUNDS + 1)]
    cold, *opened = asyncio.run(_opened())
    return [
        Measure(
            name="call",
            title="unit test of an asset",
            seconds=median(called),
            cold=first,
            target=0.05,
        ),
        Measure(
            name="open",
            title="open an app in process",
            seconds=median(opened),
            cold=cold,
        ),
    ]


def _called() -> float:
    began = time.perf_counter()
    assert call(_doubled, ctx=fake_context(_doubled, 21)) == 42
    return time.perf_counter() - began


@asset
def _doubled(ctx: Context) -> int:
    assert isinstance(ctx.partition, int)
    return 2 * ctx.partition


async def _opened() -> list[float]:
    taken: list[float] = []
    for _ in range(_ROUNDS + 1):
        began = time.perf_counter()
        async with app.local():
            taken.append(time.perf_counter() - began)
    return taken
