"""Answers: early, twice, different and forged ones each get the right reply."""

import asyncio
import tempfile
from pathlib import Path

from flowstone import (
    AlreadyDecided,
    BadToken,
    Client,
    Context,
    Flowstone,
    Pipeline,
    Signal,
    asset,
)

NOTE = Path(tempfile.gettempdir(), "flowstone-example-note")


@asset
def approved(ctx: Context) -> Signal[str]:
    """Without `.on_signal`, the answer is the value."""
    NOTE.write_text(ctx.token)
    return Signal()


@asset
def published(approved: str) -> str:
    return f"published by {approved}"


app = Flowstone("answers", Pipeline(approved, published))


async def refused(stone: Client, token: str, answer: str) -> type[Exception] | None:
    try:
        await stone.gates.signal(token, answer)
    except (AlreadyDecided, BadToken) as error:
        return type(error)
    return None


def read_note() -> str:
    return NOTE.read_text() if NOTE.exists() else ""


async def main(stone: Client) -> None:
    await asyncio.to_thread(NOTE.unlink, missing_ok=True)
    run = await stone.materialize_all(published)
    while not (token := read_note()):
        await asyncio.sleep(0.01)

    # Whether the gate is open by now does not matter: an early answer is kept.
    await stone.gates.signal(token, "Ada")
    assert await run.result() == "published by Ada"

    assert await refused(stone, token, "Ada") is None
    assert await refused(stone, token, "Bob") is AlreadyDecided
    assert await refused(stone, token[:-1] + "?", "Eve") is BadToken
    assert await refused(stone, "a token?", "Eve") is BadToken
    assert await stone.gates.list() == []


async def run() -> None:
    async with app.local() as stone:
        await main(stone)


if __name__ == "__main__":
    asyncio.run(run())
