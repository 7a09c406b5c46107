"""Who runs the shapes: Flowstone, the plain SDK, and peers in processes of their own."""

from __future__ import annotations

import asyncio
import subprocess
import time
from typing import Protocol

from temporalio.client import Client as TemporalClient

from dev.benchmarks.raw_flows import QUEUE
from dev.benchmarks.shapes import Shape
from flowstone import Client

__all__ = ["Contestant", "Ours", "Peer", "Raw"]


class Contestant(Protocol):
    """Somebody who runs a shape, and tells how long it took."""

    name: str

    async def run(self, shape: Shape, number: int) -> float:
        """Run a shape; `number` is never given twice.

        Returns:
            The seconds from asking for it until its end is known.
        """
        ...


class Ours:
    """Flowstone, served by a worker elsewhere.

    Args:
        name: what it is called here.
        client: its client.
    """

    def __init__(self, name: str, client: Client) -> None:
        self.name = name
        self._client = client

    async def run(self, shape: Shape, number: int) -> float:
        """Materialize the target, and all that it needs, at keys of its own."""
        keys = [f"{self.name}-{number}-{run}" for run in range(shape.runs)]
        began = time.perf_counter()
        await asyncio.gather(*(self._one(shape, key) for key in keys))
        return time.perf_counter() - began

    async def _one(self, shape: Shape, key: str) -> None:
        run = await self._client.materialize_all(shape.target, key, policy="always")
        outcome = await run.wait()
        assert outcome.status == "succeeded", outcome
        assert outcome.progress.made == shape.nodes, outcome


class Raw:
    """The plain SDK, served by a worker elsewhere.

    Args:
        client: Temporal's.
    """

    name = "raw SDK"

    def __init__(self, client: TemporalClient) -> None:
        self._client = client

    async def run(self, shape: Shape, number: int) -> float:
        """Execute a workflow for each run."""
        kind = "Fan" if shape.name == "fan" else "Chain"
        began = time.perf_counter()
        await asyncio.gather(
            *(
                self._client.execute_workflow(
                    kind,
                    shape.nodes,
                    id=f"raw-{shape.name}-{number}-{run}",
                    task_queue=QUEUE,
                )
                for run in range(shape.runs)
            )
        )
        return time.perf_counter() - began


class Peer:
    """A peer's process, which measures itself.

    Args:
        name: its name.
        process: reads a line for each shape, answers with seconds.
    """

    def __init__(self, name: str, process: subprocess.Popen[str]) -> None:
        self.name = name
        self._process = process

    async def run(self, shape: Shape, number: int) -> float:
        """Ask the process to run it."""
        del number
        return await asyncio.to_thread(self._ask, shape)

    def _ask(self, shape: Shape) -> float:
        asked, answered = self._process.stdin, self._process.stdout
        assert asked is not None
        assert answered is not None
        asked.write(f"{shape.name} {shape.nodes} {shape.runs}\n")
        asked.flush()
        answer = answered.readline()
        if not answer:
            raise RuntimeError(f"{self.name} has ended")  # noqa: EM102
        return float(answer)
