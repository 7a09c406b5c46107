"""An asset that waits, and the endpoint at which it is answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from flowstone import Client, Context, Flowstone, Pipeline, Run, Secrets, Signal, asset
from flowstone.console import Options, serving
from flowstone.core.token import CALLBACKS

__all__ = ["SECRETS", "Stage", "staged"]

SECRETS = Secrets({"now": b"a secret of the tests", "before": b"another secret, older"})


@dataclass
class Stage:
    """What a test has at hand.

    Attributes:
        tokens: those that were handed out, the newest last.
        gone: lets the function of `slow` end.
    """

    stone: Client
    url: str
    tokens: list[str]
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    def at(self, token: str) -> str:
        """Give the callback URL of a token."""
        return f"{self.url}{CALLBACKS}/{token}"

    @property
    def callback(self) -> str:
        """The newest callback URL."""
        return self.at(self.tokens[-1])

    async def opened(self) -> str:
        """Wait until a gate is open; give its callback URL."""
        while not await self.stone.gates.list():
            await asyncio.sleep(0.01)
        return self.callback

    async def waiting(self, name: str = "plain") -> Run[object]:
        """Have an asset wait."""
        run = await self.stone.materialize(name)
        await self.opened()
        return run


@asynccontextmanager
async def staged(
    options: Options | None = None, name: str = "endpoint"
) -> AsyncGenerator[Stage]:
    """Open an app whose assets wait, and serve its endpoint."""
    tokens: list[str] = []
    gone = asyncio.Event()

    @asset
    def plain(ctx: Context) -> Signal[dict[str, int]]:
        tokens.append(ctx.token)
        return Signal()

    @asset
    def brief(ctx: Context) -> Signal[int]:
        tokens.append(ctx.token)
        return Signal(timeout=timedelta(milliseconds=50), on_timeout="cancel")

    @asset
    def named(ctx: Context) -> Signal[int]:
        tokens.append(ctx.token)
        return Signal(key=f"task-{ctx.partition}")

    @asset
    def patient(ctx: Context) -> Signal[int]:
        tokens.append(ctx.token)
        wait = timedelta(milliseconds=300)
        return Signal(timeout=wait, on_timeout="extend", extensions=100)

    @asset
    async def slow(ctx: Context) -> Signal[int]:
        tokens.append(ctx.token)
        while not gone.is_set():
            await asyncio.sleep(0.01)
        return Signal()

    pipeline = Pipeline(plain, brief, named, patient, slow)
    app = Flowstone(name, pipeline, secrets=SECRETS)
    async with (
        app.local(actor="anna") as stone,
        serving(stone, options=options or Options()) as url,
    ):
        yield Stage(stone=stone, url=url, tokens=tokens, gone=gone)
