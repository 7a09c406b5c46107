"""Retries: `Retry` counts failures of your own code; lost machines use up nothing."""

import asyncio
from datetime import timedelta

from flowstone import (
    AssetFailed,
    Client,
    Context,
    Fatal,
    Flowstone,
    Pipeline,
    Retry,
    RetryAfter,
    asset,
)

SOON = timedelta(milliseconds=20)


@asset(retry=Retry(attempts=3, delay=SOON, backoff=2.0))
def flaky(ctx: Context) -> str:
    if ctx.attempt < 3:
        raise ConnectionError("try again")
    return f"made by attempt {ctx.attempt}"


@asset(retry=Retry(attempts=5, delay=SOON, fatal=(LookupError,)))
def picky() -> str:
    """What `fatal` lists, subclasses included, is not tried again."""
    raise KeyError("customer 7")


@asset(retry=Retry(attempts=5, delay=SOON))
def hopeless() -> str:
    """`Fatal` says the same from inside."""
    raise Fatal("the account is closed")


@asset(retry=Retry(attempts=2, delay=timedelta(seconds=50)))
def polite(ctx: Context) -> str:
    """`RetryAfter` says when, in place of the policy."""
    if ctx.attempt == 1:
        raise RetryAfter(SOON, "429 Too Many Requests")
    return "thanks for waiting"


@asset(retry=Retry(attempts=2, delay=SOON))
def broken() -> str:
    raise ValueError("no luck")


app = Flowstone("retries", Pipeline(flaky, picky, hopeless, polite, broken))


async def failure(stone: Client, name: str) -> tuple[str, str, int]:
    error = (await (await stone.materialize(name)).wait()).error
    assert isinstance(error, AssetFailed)
    return error.error_type, error.error, error.attempts


async def main(stone: Client) -> None:
    assert await (await stone.materialize(flaky)).result() == "made by attempt 3"
    assert await (await stone.materialize(polite)).result() == "thanks for waiting"

    assert await failure(stone, "broken") == ("ValueError", "no luck", 2)
    assert await failure(stone, "picky") == ("KeyError", "'customer 7'", 1)
    assert await failure(stone, "hopeless") == ("Fatal", "the account is closed", 1)


async def run() -> None:
    async with app.local() as stone:
        await main(stone)


if __name__ == "__main__":
    asyncio.run(run())
