"""Where examples are played: on either engine, and what is seen of them."""

from __future__ import annotations

import asyncio
import importlib.util
import re
import sys
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Literal

import pytest

from flowstone import Client, Flowstone, FlowstoneError, ValueNotFound
from flowstone.core.partition import PartitionKey
from flowstone.engines.temporal.connect import connect_client
from flowstone.engines.temporal.worker import WorkerOptions, serve
from flowstone.io import encode
from flowstone.ledger.base import RunRow
from flowstone.opening import close_toolbox, shared_toolbox
from flowstone.views import LineageEntry

__all__ = ["EXAMPLES", "Engine", "RunSeen", "Seen", "load", "on_local", "on_temporal"]

Engine = Literal["local", "temporal"]

_FOLDER = Path(__file__).parents[2] / "dev" / "examples"
EXAMPLES = [
    # What was seen of an example is remembered: its tests belong to one process.
    pytest.param(name, marks=pytest.mark.xdist_group(name), id=name)
    for name in sorted(path.stem for path in _FOLDER.glob("*.py"))
]

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_DRAIN = WorkerOptions().drain


@dataclass(frozen=True, kw_only=True)
class RunSeen:
    """How a run was asked for, and what became of it.

    Attributes:
        error: the class and the message of what it failed with.
        events: each as (name, asset, key, outcome), sorted.
    """

    verb: str
    asset: str
    key: str
    policy: str
    status: str
    error: tuple[str, str] | None
    events: list[tuple[str, str, str, str]]


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What an example leaves behind, without ids and times.

    Attributes:
        values: by asset and key, each that was ever made, as the name of its type
            and its encoded bytes (an example's own classes are new each time it is
            loaded); `None` where it was taken away again.
        lineage: by asset and key, what is upstream and downstream of each value:
            asset, key and depth.
        runs: in an order of their own.
    """

    values: dict[tuple[str, str], tuple[str, bytes] | None]
    lineage: dict[tuple[str, str], tuple[list[str], list[str]]]
    runs: list[RunSeen]


def load(example: str) -> ModuleType:
    """Import an example anew; its name is no module's name, so it is given one."""
    name = f"example_{example}"
    spec = importlib.util.spec_from_file_location(name, _FOLDER / f"{example}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


async def on_local(example: str, *, packs: bool | str = True) -> Seen:
    """Play an example in this process."""
    module = load(example)
    async with module.app.local(packs=packs) as stone:
        await module.main(stone)
        return await _look(stone)


async def on_temporal(
    example: str, address: str, *, packs: bool | str = True, suffix: str = ""
) -> Seen:
    """Play an example on Temporal, with a worker of its own.

    Args:
        example: its name.
        address: Temporal's.
        packs: as `app.connect` takes it.
        suffix: of the app's name, so that what it made before is another app's.
    """
    module = load(example)
    own = module.app
    app = Flowstone(
        f"{own.name}{suffix}",
        own.pipeline,
        io=own.io,
        resources=own.resources,
        schedules=own.schedules,
        sensors=own.sensors,
    )
    async with _served(app, address), app.connect(address, packs=packs) as stone:
        await module.main(stone)
        return await _look(stone)


@asynccontextmanager
async def _served(app: Flowstone, address: str) -> AsyncGenerator[None]:
    """Serve an app from this process."""
    toolbox = await asyncio.to_thread(shared_toolbox, app)
    client = await connect_client(address)
    started, stop = asyncio.Event(), asyncio.Event()
    serving = asyncio.ensure_future(
        serve(toolbox, client, WorkerOptions(), started=started, stop=stop)
    )
    try:
        await asyncio.wait_for(started.wait(), 10)
        yield
    finally:
        stop.set()
        await asyncio.wait_for(serving, _DRAIN.total_seconds())
        await asyncio.to_thread(close_toolbox, toolbox)


# --- looking ------------------------------------------------------------------------


async def _look(stone: Client) -> Seen:
    rows = await stone.runs.list(limit=1000)
    runs = [await _run(stone, row) for row in rows]
    cells = sorted(
        {
            (asset, key)
            for run in runs
            for _, asset, key, outcome in run.events
            if outcome == "produced"
        }
    )
    values = {cell: await _value(stone, *cell) for cell in cells}
    return Seen(
        values=values,
        lineage={c: await _lineage(stone, *c) for c, v in values.items() if v},
        runs=sorted(runs, key=repr),
    )


async def _run(stone: Client, row: RunRow) -> RunSeen:
    run = await stone.runs.get(row.id)
    events = [(e.name, e.asset, e.key, e.outcome) for e in await run.events()]
    return RunSeen(
        verb=row.request.verb,
        asset=row.request.asset,
        key=row.request.key,
        policy=row.request.policy,
        status=row.status,
        error=_error((await run.wait()).error),
        events=sorted(events),
    )


def _error(error: FlowstoneError | None) -> tuple[str, str] | None:
    if error is None:
        return None
    return type(error).__name__, _ID.sub("<id>", error.message)


async def _value(stone: Client, asset: str, key: str) -> tuple[str, bytes] | None:
    try:
        value = await stone.value(asset, PartitionKey(key).value)
    except ValueNotFound:
        return None
    return type(value).__qualname__, encode(value).data


async def _lineage(stone: Client, asset: str, key: str) -> tuple[list[str], list[str]]:
    partition = PartitionKey(key).value
    return (
        _entries(await stone.lineage.upstream(asset, partition)),
        _entries(await stone.lineage.downstream(asset, partition)),
    )


def _entries(found: Iterable[LineageEntry]) -> list[str]:
    return sorted(
        f"{e.asset} @ {PartitionKey.of(e.partition)}, {e.depth} away, "
        f"{'current' if e.current else 'old'}"
        for e in found
    )
