"""An app whose assets share things, and say what became of them in a file."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from flowstone import Context, Flowstone, Pipeline, Resource, asset

SECRET = "correct-horse-battery"


def _say(word: str) -> None:
    with Path(os.environ["LENDER_LOG"]).open("a") as log:
        log.write(f"{os.getpid()} {word}\n")


class Warehouse(Resource):
    """Opens where `LENDER_OPEN` says so, and is as healthy as `LENDER_HEALTH` says."""

    def __init__(self, url: str) -> None:
        self.url = url

    def open(self) -> str:
        if os.environ.get("LENDER_OPEN", "yes") != "yes":
            raise ConnectionRefusedError(f"{self.url} is closed")
        _say("open warehouse")
        return self.url

    def close(self) -> None:
        _say("close warehouse")

    def healthy(self) -> str:
        return os.environ.get("LENDER_HEALTH", "")


class Pool(Resource):
    """An async one."""

    async def open(self) -> None:
        await asyncio.sleep(0)
        _say("open pool")

    async def close(self) -> None:
        await asyncio.sleep(0)
        _say("close pool")


@asset(resources=["warehouse"])
def rows(ctx: Context) -> int:
    return len(ctx.resources["warehouse"])


@asset(resources=["warehouse", "pool"])
async def doubled(rows: int, ctx: Context) -> int:
    assert ctx.resources["pool"] is not None
    return 2 * rows


PIPELINE = Pipeline(rows, doubled)
URL = f"postgresql://me:{SECRET}@warehouse/db"
app = Flowstone(
    os.environ.get("LENDER_NAME", "lender"),
    PIPELINE,
    resources={"warehouse": Warehouse(URL), "pool": Pool()},
)
