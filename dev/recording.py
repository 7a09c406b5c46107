"""Run every shape of every flow on a real Temporal, and keep their histories.

Histories are forever: a release records its own, beside those of the releases before,
and all of them are replayed by the tests.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from temporalio.client import Client as TemporalClient

from flowstone import Client
from flowstone.engines.temporal.connect import connect_client
from flowstone.engines.temporal.worker import WorkerOptions, serve
from flowstone.ledger.sql import SqlLedger
from flowstone.opening import close_toolbox, shared_toolbox
from flowstone.run import Run
from flowstone.stack import Stack
from tests.apps import recorded

HOME = Path(__file__).parents[1] / "tests" / "temporal" / "histories"


async def keep(
    temporal: TemporalClient, workflow: str, folder: Path, name: str
) -> None:
    """Write the history of each run of a workflow, the continued ones too."""
    listed = temporal.list_workflows(f"WorkflowId = {workflow!r}")
    found = sorted([w async for w in listed], key=lambda w: w.start_time)
    for number, execution in enumerate(found):
        suffix = f"-{number}" if len(found) > 1 else ""
        target = folder / f"{name}{suffix}.json"
        if target.exists():
            continue
        handle = temporal.get_workflow_handle(workflow, run_id=execution.run_id)
        history = await handle.fetch_history()
        target.write_text(_portable(history.to_json()))
        print(f"{name}{suffix}: {len(history.events)} events")


def _portable(history: str) -> str:
    """Leave out stack traces: they tell of the machine, and no replay reads them."""
    return re.sub(r'"stackTrace": "(?:[^"\\]|\\.)*"', '"stackTrace": ""', history)


@asynccontextmanager
async def served() -> AsyncGenerator[tuple[Client, TemporalClient]]:
    """Serve the app in this process, and connect to it."""
    toolbox = await asyncio.to_thread(shared_toolbox, recorded.app)
    temporal = await connect_client()
    started, stop = asyncio.Event(), asyncio.Event()
    serving = asyncio.ensure_future(
        serve(toolbox, temporal, WorkerOptions(), started=started, stop=stop)
    )
    await started.wait()
    try:
        async with recorded.app.connect() as stone:
            yield stone, temporal
    finally:
        stop.set()
        await serving
        await asyncio.to_thread(close_toolbox, toolbox)


class Recorder:
    """Runs shapes and keeps their histories in a folder; those there are stay."""

    def __init__(self, stone: Client, temporal: TemporalClient, folder: Path) -> None:
        self._stone = stone
        self._temporal = temporal
        self._folder = folder

    async def record_waits(self) -> None:
        """Record what waits for a decision, and what goes on at a deadline."""
        stone, approvals = self._stone, self._stone.approvals
        run = await stone.materialize_all("reads_review", "w1")
        await approvals.approve(await self._asked())
        await self.keep("approved", run, "succeeded")
        run = await stone.materialize_all("reads_review", "w2")
        await approvals.reject(await self._asked(), reason="too few")
        await self.keep("rejected", run, "failed")
        run = await stone.materialize_all("reads_review", "w3")
        first = await self._asked()
        await approvals.escalate(first, to="the board")
        await (await stone.materialize("rows", "w3", policy="always")).wait()
        await approvals.recompute(first)
        await approvals.approve(await self._asked(but=first), edits=9)
        await self.keep("recomputed", run, "succeeded")
        for name in ("escalated", "extended", "rerun"):
            run = await stone.materialize_all(name, "w4")
            await self.keep(name, run, "failed")

    async def _asked(self, but: str = "") -> str:
        while True:
            found = await self._stone.approvals.list()
            if found and found[0].id != but:
                return found[0].id
            await asyncio.sleep(0.1)

    async def keep(self, name: str, run: Run[object], status: str) -> None:
        """Wait for a run, and keep its workflow's histories."""
        outcome = await run.wait()
        assert outcome.status == status, outcome
        [row] = [r for r in await self._stone.runs.list() if r.id == run.id]
        await keep(self._temporal, row.workflow, self._folder, name)

    async def record(self) -> None:
        """Record each shape once."""
        stone = self._stone
        good, bad = "succeeded", "failed"
        table, ways = recorded.table, recorded.ways
        await self.keep("cold", await stone.materialize_all(table, "k1"), good)
        await self.keep("warm", await stone.materialize_all(table, "k2"), good)
        await self.keep("only", await stone.materialize(recorded.doubled, "k2"), good)
        await self.keep("ways", await stone.materialize_all(ways, "k3"), good)
        run = await stone.materialize_all(recorded.after_broken, "k4")
        await self.keep("blocked", run, bad)
        run = await stone.materialize_all(recorded.broken, "k5")
        await self.keep("failed", run, bad)
        run = await stone.materialize_all(recorded.unanswered, "k6")
        await self.keep("expired", run, bad)
        waiting = await self._waiting("k7")
        await stone.gates.signal(self._token(), 39)
        await self.keep("answered", waiting, good)
        waiting = await self._waiting("k8")
        await waiting.cancel()
        await self.keep("cancelled", waiting, "cancelled")
        await self._busy("k9")
        keys = ["b1", "b2", "b3"]
        backfill = await stone.backfill(table, keys, max_parallel=2)
        await self.keep("backfill", backfill, good)
        listed = self._temporal.list_workflows("WorkflowType = 'flowstone.Shard'")
        for number, workflow in enumerate(sorted({w.id async for w in listed})):
            await keep(self._temporal, workflow, self._folder, f"shard-{number}")

    async def _waiting(self, key: str) -> Run[object]:
        """Start an asset that waits, and wait until it does."""
        run = await self._stone.materialize_all("answered", key)
        while not await self._stone.gates.list():
            await asyncio.sleep(0.1)
        return run

    def _token(self) -> str:
        return (Path(os.environ["RECORDED_FOLDER"]) / "token").read_text()

    async def _busy(self, key: str) -> None:
        """Have one run wait for what another one holds at its gate."""
        first = await self._waiting(key)
        second = await self._stone.materialize_all("reads_answer", key)
        await asyncio.sleep(1)
        await self._stone.gates.signal(self._token(), 1)
        await self.keep("held", first, "succeeded")
        await self.keep("busy", second, "succeeded")


async def record(folder: Path) -> None:
    """Record every shape into a folder."""
    async with served() as (stone, temporal):
        recorder = Recorder(stone, temporal, folder)
        await recorder.record_waits()
        if not (folder / "cold.json").exists():
            await recorder.record()


def main() -> None:
    """Record into a folder named by the release."""
    release = sys.argv[1] if len(sys.argv) > 1 else "0.1"
    folder = HOME / release
    folder.mkdir(parents=True, exist_ok=True)
    small = {"limit.historyCount.suggestContinueAsNew": 30}
    for name, config in (("", {}), ("continued", small)):
        with tempfile.TemporaryDirectory() as scratch:
            os.environ["RECORDED_FOLDER"] = scratch
            with Stack(ui=False, dynamic_config=config) as stack:
                os.environ.update(stack.environment())
                ledger = SqlLedger(stack.ledger_url)
                ledger.upgrade()
                ledger.close()
                target = folder / name
                target.mkdir(exist_ok=True)
                os.environ["FLOWSTONE_PACKS"] = "off" if name else "auto"
                asyncio.run(record(target))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
