"""Plan a large pipeline in this fresh process, twice; print the seconds of both.

Each of its functions is one that nobody has hashed yet: the first time pays for that.
"""

from __future__ import annotations

import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from types import ModuleType

from flowstone import Pipeline
from flowstone.core.plan import make_plan, make_skeleton

__all__ = ["ASSETS", "source_of"]

ASSETS = 10_000
_PER_LAYER = 100
_MODULE = "planned_assets"


def source_of(assets: int) -> str:
    """Write a module of so many functions, each of its own code, in layers."""
    lines = ["from flowstone import asset", ""]
    for number in range(assets):
        above = number - _PER_LAYER
        names = [f"asset_{above + i}" for i in range(3) if 0 <= above + i < number]
        takes = ", ".join(f"{n}: int" for n in names)
        total = " + ".join([*names, str(number)])
        lines += [f"@asset\ndef asset_{number}({takes}) -> int:", f"    return {total}"]
    bottom = range(max(assets - _PER_LAYER, 0), assets)
    needed = ", ".join(f"asset_{n}" for n in bottom)
    lines += [f"@asset\ndef last({needed}) -> int:", "    return 0", ""]
    return "\n".join(lines)


def _plan(module: ModuleType) -> float:
    began = time.perf_counter()
    pipeline = Pipeline.of(module)
    plan = make_plan("bench", pipeline, "last", upstream=True)
    skeleton = make_skeleton(plan, {})
    taken = time.perf_counter() - began
    assert len(skeleton.names) == ASSETS + 1, len(skeleton.names)
    return taken


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / f"{_MODULE}.py").write_text(source_of(ASSETS))
        sys.path.insert(0, folder)
        planned = import_module(_MODULE)
        print(_plan(planned), _plan(planned))
