"""What costs time before any server is asked: importing, planning; and one process."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from statistics import median

from dev.benchmarks.servers import child_environment
from dev.benchmarks.shapes import SHAPES, app
from flowstone import Pipeline
from flowstone.core.plan import make_plan, make_skeleton

__all__ = ["Measure", "measure_planning", "source_of"]

_ROUNDS = 5
_ASSETS = 10_000
_PER_LAYER = 100
_MODULE = "planned_assets"
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
        cold: the first time.
    """

    name: str
    title: str
    seconds: float
    cold: float
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
            "cold": round(self.cold, 4),
        }


def measure_planning() -> list[Measure]:
    """Measure all three."""
    return [_planning(), _importing(), _in_process()]


# --- planning -----------------------------------------------------------------------


def source_of(assets: int) -> str:
    """Write a module of so many functions, each of its own code, in layers."""
    lines = ["from flowstone import asset", ""]
    for number in range(assets):
        above = number - _PER_LAYER
        names = [f"asset_{above + i}" for i in range(3) if 0 <= above + i < number]
        takes = ", ".join(f"{n}: int" for n in names)
        total = " + ".join([*names, str(number)])
        lines += [f"@asset\ndef asset_{number}({takes}) -> int:", f"    return {total}"]
    needed = ", ".join(f"asset_{n}" for n in range(assets - _PER_LAYER, assets))
    lines += [f"@asset\ndef last({needed}) -> int:", "    return 0", ""]
    return "\n".join(lines)


def _planning() -> Measure:
    # Assets know their code once it was asked for, so each round has new ones.
    taken: list[float] = []
    for number in range(_ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            name = f"{_MODULE}_{number}"
            (Path(folder) / f"{name}.py").write_text(source_of(_ASSETS))
            sys.path.insert(0, folder)
            module = import_module(name)
            sys.path.remove(folder)
            began = time.perf_counter()
            pipeline = Pipeline.of(module)
            plan = make_plan("bench", pipeline, "last", upstream=True)
            skeleton = make_skeleton(plan, {})
            taken.append(time.perf_counter() - began)
            assert len(skeleton.names) > _ASSETS * 0.9, len(skeleton.names)
    return Measure(
        name="plan",
        title=f"plan {_ASSETS:,} assets",
        seconds=median(taken),
        cold=taken[0],
        target=2.0,
    )


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
    done = subprocess.run(
        [sys.executable, "-c", _IMPORT],
        env=child_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, heavy = done.stdout.splitlines()
    assert not heavy, f"import flowstone loads {heavy}"
    return float(seconds)


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
