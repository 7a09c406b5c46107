"""Failures: what raises fails, what needs it is not attempted, the rest goes on."""

import asyncio

from flowstone import AssetFailed, Client, Flowstone, Pipeline, UpstreamFailed, asset

DOWN = "simulated failure"


@asset
def source() -> int:
    return 1


@asset
def failing(source: int) -> int:
    if source == 1:
        raise RuntimeError(DOWN)
    return source


@asset
def healthy(source: int) -> int:
    return source + 1


@asset
def report(failing: int, healthy: int) -> int:
    return failing + healthy


@asset
def archive(report: int) -> str:
    return f"report {report}"


app = Flowstone("failures", Pipeline(source, failing, healthy, report, archive))


async def main(stone: Client) -> None:
    run = await stone.materialize_all(archive)
    outcome = await run.wait()  # `result()` raises the error instead
    assert outcome.status == "failed"

    # It names what failed, however far upstream, and why.
    error = outcome.error
    assert isinstance(error, UpstreamFailed)
    assert error.upstream == "failing"
    assert isinstance(error.cause, AssetFailed)
    assert (error.cause.error_type, error.cause.error) == ("RuntimeError", DOWN)
    assert "in failing" in error.cause.details  # the traceback

    # What did not need it was made, and is there.
    assert await stone.value(healthy) == 2
    assert (outcome.progress.made, outcome.progress.failed) == (2, 3)

    status = await stone.status(failing)
    assert (status.state, DOWN in status.reason) == ("failed", True)
    assert not await stone.exists(failing)


async def run() -> None:
    async with app.local() as stone:
        await main(stone)


if __name__ == "__main__":
    asyncio.run(run())
