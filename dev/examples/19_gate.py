"""Gate: an asset hands out a token and waits for the answer; no worker waits with it."""

import asyncio
import json
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from flowstone import (
    AssetFailed,
    Client,
    Context,
    Flowstone,
    Pipeline,
    Run,
    Signal,
    asset,
)

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
def embedded(documents: list[str], ctx: Context) -> Signal[list[float]]:
    """Start a task elsewhere, and tell it how to answer."""
    task = {"documents": documents, "token": ctx.token}
    DESK.mkdir(exist_ok=True)
    (DESK / str(ctx.partition)).write_text(json.dumps(task))
    return Signal(timeout=timedelta(hours=1))


@embedded.on_signal
def embedding_ready(answer: Answer, documents: list[str]) -> list[float]:
    """Make the value from the answer; one that is no `Answer` fails the asset."""
    if answer.status == "failed":
        raise RuntimeError(answer.error)
    return answer.embeddings[: len(documents)]


app = Flowstone("gate", Pipeline(documents, embedded))


async def answered(stone: Client, task: str, answer: object) -> Run[list[float]]:
    """Start a run, then be the outside world: find the token, and answer."""
    run = await stone.materialize_all(embedded, task)
    while not any(gate.key == task for gate in await stone.gates.list()):
        await asyncio.sleep(0.02)
    assert (await stone.status(embedded, task)).state == "waiting"
    token = json.loads((DESK / task).read_text())["token"]
    await stone.gates.signal(token, answer)
    return run


async def main(stone: Client) -> None:
    good = {"status": "success", "embeddings": [0.5, 0.25]}
    run = await answered(stone, "ecs-task-abc123", good)
    assert await run.result() == [0.5, 0.25]

    bad = {"status": "failed", "error": "out of memory"}
    outcome = await (await answered(stone, "ecs-task-def456", bad)).wait()
    assert isinstance(outcome.error, AssetFailed)
    assert outcome.error.error == "out of memory"

    outcome = await (await answered(stone, "ecs-task-ghi789", {"status": "?"})).wait()
    assert isinstance(outcome.error, AssetFailed)
    assert outcome.error.error_type == "CodecError"


async def run() -> None:
    async with app.local() as stone:
        await main(stone)


if __name__ == "__main__":
    asyncio.run(run())
