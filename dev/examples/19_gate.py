"""Gate: an asset hands out a token and waits for the answer; no worker waits with it."""

import asyncio
import contextlib
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

import flowstone as fs
from flowstone import Client, Context, Flowstone, Signal, asset

DESK = Path(tempfile.gettempdir(), "flowstone-example-tasks")


class Answer(BaseModel):
    """What the outside world may say."""

    status: Literal["success", "failed"]
    embeddings: list[float] = []
    error: str = ""


@asset
def documents(ctx: Context) -> list[str]:
    return [f"{ctx.partition}/1.pdf", f"{ctx.partition}/2.pdf"]


@asset
def embedded(ctx: Context) -> Signal[dict[str, float]]:
    """Start a task elsewhere, and tell it how to answer."""
    DESK.mkdir(exist_ok=True)
    (DESK / str(ctx.partition)).write_text(ctx.token)
    return Signal(timeout=timedelta(hours=1))


@embedded.on_signal
def embedding_ready(answer: Answer, documents: list[str]) -> dict[str, float]:
    """Make the value: the answer comes first, then what the value needs besides."""
    if answer.status == "failed":
        raise RuntimeError(answer.error)
    return dict(zip(documents, answer.embeddings, strict=True))


app = Flowstone("gate", fs.Pipeline(documents, embedded))


async def answer(stone: Client, task: str, payload: object) -> None:
    """Be the outside world: wait until somebody asks, and answer."""
    while not any(gate.key == task for gate in await stone.gates.list()):
        await asyncio.sleep(0.02)
    assert (await stone.status(embedded, task)).state == "waiting"
    await stone.gates.signal((DESK / task).read_text(), payload)


async def main(stone: Client) -> None:
    run = await stone.materialize_all(embedded, "ecs-task-abc")
    await answer(stone, "ecs-task-abc", {"status": "success", "embeddings": [0.5, 0.2]})
    value = {"ecs-task-abc/1.pdf": 0.5, "ecs-task-abc/2.pdf": 0.2}
    assert await run.result() == value

    # An answer that is no `Answer` is refused; what the companion raises is a failure.
    run = await stone.materialize_all(embedded, "ecs-task-def")
    for payload in ({"status": "maybe"}, {"status": "failed", "error": "no memory"}):
        with contextlib.suppress(fs.BadPayload):
            await answer(stone, "ecs-task-def", payload)
    error = (await run.wait()).error
    assert isinstance(error, fs.AssetFailed)
    assert "no memory" in error.error


async def run() -> None:
    async with app.local() as stone:
        await main(stone)


if __name__ == "__main__":
    asyncio.run(run())
