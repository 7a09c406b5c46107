"""`dev/bench size`: very many assets in a run, very many versions in a ledger."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from dev.benchmarks.filled import APP, fill
from dev.benchmarks.histories import largest_payloads, read_chain, replay
from dev.benchmarks.many import make_app, peak_mib
from dev.benchmarks.planning import Measure
from dev.benchmarks.servers import child_environment, serving
from flowstone import Client, SqlLedger
from flowstone.engines.temporal.connect import connect_client
from flowstone.stack import PostgresServer, TemporalServer

__all__ = ["ManyMade", "measure_ledger", "run_many"]

_FULL = {"limit.historyCount.suggestContinueAsNew": 1000}
_WAYS = (
    ("cold", "durations unknown", "auto"),
    ("warm", "durations known", "auto"),
    ("off", "packs=False", "off"),
)
_ROUNDS = 21
_PER_KEY = 1_000
"""Assets, and so versions of a run, in the ledger that is measured."""
_PATIENCE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class ManyMade:
    """One run of very many assets, and what it needed.

    Attributes:
        name: by which it is found in the output.
        title: what people read.
        seconds: from asking to the value.
        worker_mib: the most memory the worker had; it made only this.
        client_mib: the most memory the client had.
        runs: how many workflow runs it took, with each continue-as-new.
        events: in all their histories; each was replayed.
        longest: events of the longest of them.
        payload: bytes of the largest payload that is no skeleton.
        skeleton: bytes of the graph's skeleton.
    """

    name: str
    title: str
    seconds: float
    worker_mib: int
    client_mib: int
    runs: int
    events: int
    longest: int
    payload: int
    skeleton: int

    def to_data(self) -> dict[str, object]:
        """Give it as `--json` prints it."""
        return {k: v for k, v in asdict(self).items() if k not in {"name", "title"}}


def run_many(assets: int, shape: str = "grid") -> list[ManyMade]:
    """Make so many assets in a run, in each way.

    Raises:
        AssertionError: they made unequal values.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        postgres = PostgresServer(folder / "postgres")
        temporal = TemporalServer(folder / "temporal", ui=False, dynamic_config=_FULL)
        try:
            postgres.start()
            temporal.start()
            _upgrade(postgres.url)
            environment = {
                **child_environment(),
                "MANY_NAME": "many",
                "MANY_SHAPE": shape,
                "MANY_SIZE": str(assets),
                "FLOWSTONE_LEDGER_URL": postgres.url,
                "TEMPORAL_ADDRESS": temporal.address,
            }
            made = [_make(*way, assets, environment, folder) for way in _WAYS]
        finally:
            temporal.remove()
            postgres.remove()
    values = {value for value, _ in made}
    assert len(values) == 1, f"unequal values: {values}"
    return [one for _, one in made]


def _upgrade(url: str) -> None:
    ledger = SqlLedger(url)
    ledger.upgrade()
    ledger.close()


def _make(
    name: str,
    what: str,
    packs: str,
    assets: int,
    environment: Mapping[str, str],
    folder: Path,
) -> tuple[object, ManyMade]:
    """Make them all at a key of their own, with a worker of its own."""
    _say(f"{assets:,} assets, {what}")
    worker = [sys.executable, "-m", "workers", "dev.benchmarks.many_served:app"]
    client = [sys.executable, "-m", "dev.benchmarks.many_served", name, packs]
    root = Path(__file__).parents[2]
    log = folder / f"{name}.log"
    with serving(worker, environment=environment, log=log) as process:
        told = subprocess.check_output(client, env=environment, cwd=root)
        worker_mib = peak_mib(process.pid)
    found = json.loads(told)
    left = asyncio.run(_left(environment, found["workflow"]))
    made = ManyMade(
        name=f"many/{name}",
        title=f"{assets:,} assets, {what}",
        seconds=found["seconds"],
        worker_mib=worker_mib,
        client_mib=found["client_mib"],
        **left,
    )
    return found["value"], made


async def _left(environment: Mapping[str, str], workflow: str) -> dict[str, int]:
    """Replay what a run has left on Temporal, and measure it."""
    client = await connect_client(environment["TEMPORAL_ADDRESS"])
    histories = await read_chain(client, workflow)
    await replay(histories)
    lengths = [len(history.events) for history in histories]
    payload, skeleton = largest_payloads(histories)
    return {
        "runs": len(histories),
        "events": sum(lengths),
        "longest": max(lengths),
        "payload": payload,
        "skeleton": skeleton,
    }


def measure_ledger(versions: int) -> list[Measure]:
    """Ask a ledger of so many versions what people ask, through the client."""
    with tempfile.TemporaryDirectory() as scratch:
        server = PostgresServer(Path(scratch))
        try:
            server.start()
            keys = max(versions // _PER_KEY, 1)
            _say(f"filling a ledger with {keys * _PER_KEY:,} versions")
            fill(server.url, keys=keys, assets=_PER_KEY, reads=2, runs=versions)
            return asyncio.run(_ask_ledger(server.url, keys))
        finally:
            server.remove()


async def _ask_ledger(url: str, keys: int) -> list[Measure]:
    app, last = make_app(APP, "chain", _PER_KEY, url)
    first = "asset_00000"
    async with app.local() as stone:
        key = keys // 2 + 1
        asked: list[tuple[str, float | None, Callable[[], Awaitable[object]]]] = [
            ("status", _PATIENCE, lambda: stone.status(last, key)),
            ("value", _PATIENCE, lambda: stone.value(last, key)),
            ("runs.list", _PATIENCE, stone.runs.list),
            ("runs.list(asset=)", _PATIENCE, lambda: stone.runs.list(asset=last)),
            *_lineage(stone, first, last, key),
        ]
        return [await _ask(*question) for question in asked]


def _lineage(
    stone: Client, first: str, last: str, key: int
) -> list[tuple[str, float | None, Callable[[], Awaitable[object]]]]:
    lineage = stone.lineage
    return [
        ("lineage.upstream", None, lambda: lineage.upstream(last, key)),
        ("lineage.downstream", None, lambda: lineage.downstream(first, key)),
        ("lineage.impact", None, lambda: lineage.impact(first, key)),
        ("upstream, depth 3", None, lambda: lineage.upstream(last, key, depth=3)),
    ]


async def _ask(
    name: str, target: float | None, ask: Callable[[], Awaitable[object]]
) -> Measure:
    seconds: list[float] = []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        await ask()
        seconds.append(time.perf_counter() - began)
    cold, *rest = seconds
    return Measure(
        name=f"ledger/{name}",
        title=f"{name}",
        seconds=median(rest),
        cold=cold,
        target=target,
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
