"""`dev/bench graph`: the contestants alternate, round by round, on the same servers."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from pathlib import Path

import psycopg
from psycopg import sql
from temporalio.client import Client as TemporalClient

from dev.benchmarks.contestants import Contestant, Ours, Peer, Raw
from dev.benchmarks.peers_made import made_peers
from dev.benchmarks.servers import child_environment, libpq_url, serving
from dev.benchmarks.shapes import SHAPES, Shape, app
from dev.benchmarks.stats import Comparison, Series, compare
from flowstone import SqlLedger
from flowstone.stack import Stack

__all__ = ["run_graph"]

_SETTLE = 0.3
"""Seconds between two rounds, for what the last one left to be done."""

_OURS, _ALONE, _RAW = "flowstone", "flowstone, packs=False", "raw SDK"
_TARGETS: Mapping[tuple[str, str, str], float] = {
    (_OURS, _RAW, "chain"): 0.1,
    (_OURS, _RAW, "fan"): 0.4,
    (_OURS, _RAW, "runs"): 0.65,
    (_OURS, "dbos", "chain"): 0.4,
    (_ALONE, _RAW, "chain"): 1.5,
    (_ALONE, _RAW, "fan"): 1.5,
    (_ALONE, _RAW, "runs"): 1.5,
}


def run_graph(pairs: int, shapes: Sequence[str]) -> tuple[list[Comparison], Series]:
    """Run every shape by every contestant.

    Returns:
        What came of each comparison, and what the raw SDK took for the chain.
    """
    chosen = [s for s in SHAPES if s.name in {*shapes, "chain"}]
    with Stack(ui=False) as stack, tempfile.TemporaryDirectory() as logs:
        os.environ.update(stack.environment())
        ledger = SqlLedger(stack.ledger_url)
        ledger.upgrade()
        ledger.close()
        found = asyncio.run(_rounds(chosen, pairs, Path(logs)))
    wanted = [c for c in _comparisons(found) if c.name.split("/")[0] in shapes]
    return wanted, found[_RAW, "chain"]


async def _rounds(
    shapes: Sequence[Shape], pairs: int, logs: Path
) -> dict[tuple[str, str], Series]:
    found: dict[tuple[str, str], Series] = {}
    numbers = count()
    async with _contestants(logs) as contestants:
        for shape in shapes:
            taken: dict[str, list[float]] = {c.name: [] for c in contestants}
            for number in range(pairs + 1):
                _say(f"{shape.title}: {number or 'warm-up'} of {pairs}")
                for contestant in contestants:
                    await asyncio.sleep(_SETTLE)
                    seconds = await contestant.run(shape, next(numbers))
                    taken[contestant.name].append(seconds)
            for name, (cold, *rest) in taken.items():
                found[name, shape.name] = Series(cold=cold, seconds=rest)
    return found


@asynccontextmanager
async def _contestants(logs: Path) -> AsyncGenerator[list[Contestant]]:
    environment = child_environment()
    python = sys.executable
    workers = {
        "flowstone": [python, "-m", "workers", "dev.benchmarks.shapes:app"],
        "raw": [python, "-m", "dev.benchmarks.raw_worker"],
    }
    address = environment["TEMPORAL_ADDRESS"]
    namespace = environment["TEMPORAL_NAMESPACE"]
    async with AsyncExitStack() as stack:
        for name, command in workers.items():
            log = logs / f"{name}.log"
            stack.enter_context(serving(command, environment=environment, log=log))
        together = await stack.enter_async_context(app.connect())
        alone = await stack.enter_async_context(app.connect(packs=False))
        found: list[Contestant] = [
            Ours(_OURS, together),
            Raw(await TemporalClient.connect(address, namespace=namespace)),
            Ours(_ALONE, alone),
        ]
        for name, command in made_peers().items():
            log = logs / f"{name}.log"
            url = _database(environment["FLOWSTONE_LEDGER_URL"], f"peer_{name}")
            own = {**environment, "PEER_DATABASE_URL": url}
            process = stack.enter_context(serving(command, environment=own, log=log))
            found.append(Peer(name, process))
        yield found


def _database(url: str, name: str) -> str:
    """Make a database beside the ledger's, and give its address."""
    create = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
    with psycopg.connect(libpq_url(url), autocommit=True) as conn:
        conn.execute(create)
    return f"{url.rsplit('/', 1)[0]}/{name}"


def _comparisons(found: Mapping[tuple[str, str], Series]) -> list[Comparison]:
    others = dict.fromkeys(name for name, _ in found if name not in {_OURS, _ALONE})
    titles = {shape.name: shape.title for shape in SHAPES}
    compared: list[Comparison] = []
    for mine, suffix in ((_OURS, ""), (_ALONE, "/packs=False")):
        for other in others if mine == _OURS else [_RAW]:
            against = "" if other == _RAW else f"/{other}"
            compared += [
                compare(
                    series,
                    found[other, shape],
                    name=f"{shape}{suffix}{against}",
                    title=f"{titles[shape]}{suffix.replace('/', ', ')}",
                    baseline=other,
                    target=_TARGETS.get((mine, other, shape)),
                )
                for (name, shape), series in found.items()
                if name == mine
            ]
    return compared


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
