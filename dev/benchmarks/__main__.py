"""`dev/bench graph|io|size|waiting [--json]`, `dev/bench peers`."""

from __future__ import annotations

import argparse
import os
import sys

from dev.benchmarks.graph import run_graph
from dev.benchmarks.peers_made import make_peers
from dev.benchmarks.planning import measure_planning
from dev.benchmarks.report import (
    as_json,
    as_table,
    sizes_as_json,
    sizes_as_table,
    values_as_json,
    values_as_table,
    waits_as_json,
    waits_as_table,
)
from dev.benchmarks.shapes import SHAPES
from dev.benchmarks.size import measure_ledger, run_many
from dev.benchmarks.stats import Comparison, is_valid, per_second
from dev.benchmarks.values import SIZES, measure_memory, run_io
from dev.benchmarks.waiting import run_waiting

_PLANNING = "planning"


def main() -> int:
    """Measure what is asked for; give the exit status."""
    given = _parser().parse_args()
    if given.what == "peers":
        make_peers()
        return 0
    if given.what == "io":
        compared = run_io(given.pairs, given.only)
        needed = measure_memory(given.stream) if given.stream else []
        told = values_as_json if given.json else values_as_table
        print(told(compared, needed))
        return 0
    if given.what == "size":
        made = run_many(given.assets) if given.assets else []
        asked = measure_ledger(given.versions) if given.versions else []
        told = sizes_as_json if given.json else sizes_as_table
        print(told(made, asked))
        return 0
    if given.what == "waiting":
        beside, answered = run_waiting(given.waiters, given.pairs)
        told = waits_as_json if given.json else waits_as_table
        print(told(beside, answered))
        return 0 if answered.good else 1
    only: list[str] = given.only
    shapes = [shape.name for shape in SHAPES if shape.name in only]
    measured = measure_planning() if _PLANNING in only else []
    compared: list[Comparison] = []
    speed: float | None = None
    if shapes:
        compared, chain = run_graph(given.pairs, shapes)
        speed = per_second(chain, SHAPES[0].nodes)
    printed = as_json if given.json else as_table
    print(printed(compared, measured, speed))
    return 0 if speed is None or is_valid(speed) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dev/bench", description=__doc__)
    what = parser.add_subparsers(dest="what", required=True)
    graph = what.add_parser("graph", help="runs against the raw SDK and peers")
    graph.add_argument("--json", action="store_true", help="print one object")
    graph.add_argument("--pairs", type=_positive, default=5, help="rounds that count")
    names = [*(shape.name for shape in SHAPES), _PLANNING]
    graph.add_argument(
        "--only", nargs="+", choices=names, default=names, help="not all of it"
    )
    values = what.add_parser("io", help="managers against bare client libraries")
    values.add_argument("--json", action="store_true", help="print one object")
    values.add_argument("--pairs", type=_positive, default=5, help="rounds that count")
    values.add_argument(
        "--only", nargs="*", choices=SIZES, default=list(SIZES), help="not all sizes"
    )
    values.add_argument(
        "--stream", type=int, default=1024, help="MiB to stream; 0 for none"
    )
    size = what.add_parser("size", help="very many assets, very many versions")
    size.add_argument("--json", action="store_true", help="print one object")
    size.add_argument(
        "--assets", type=int, default=5_000, help="in a run; 0 for no runs"
    )
    size.add_argument(
        "--versions", type=int, default=1_000_000, help="in a ledger; 0 for none"
    )
    waiting = what.add_parser("waiting", help="runs beside thousands that wait")
    waiting.add_argument("--json", action="store_true", help="print one object")
    waiting.add_argument("--pairs", type=_positive, default=9, help="rounds that count")
    waiting.add_argument(
        "--waiters", type=_positive, default=2_000, help="runs, and gates of one more"
    )
    what.add_parser("peers", help="make the environments of the peers")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Temporal's runtime may abort an interpreter that ends while its threads live.
    os._exit(status)
