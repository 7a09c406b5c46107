"""Approval: a release waits for somebody's yes; what depends on it waits with it."""

import asyncio
from datetime import timedelta

from flowstone import Approval, Client, Flowstone, Pipeline, asset
from flowstone.views import ApprovalEntry

DAY = timedelta(days=1)


@asset
def build() -> str:
    return "build"


@asset
def tested(build: str) -> str:
    return f"tested {build}"


@asset
def staging(tested: str) -> Approval[str]:
    """Deploy to staging, and ask whether it may go on."""
    message = "Look at staging: may it go to production?"
    return Approval(tested, message=message, timeout=DAY, remind=[DAY / 2])


@asset
def production(staging: str) -> str:
    return f"{staging}, in production"


@asset
def broken() -> str:
    message = "tests failed"
    raise RuntimeError(message)


@asset
def never_asked(broken: str) -> Approval[str]:
    return Approval(broken)


ASSETS = (build, tested, staging, production, broken, never_asked)
app = Flowstone("approval", Pipeline(*ASSETS))


async def asked(stone: Client) -> ApprovalEntry:
    """Wait until somebody is asked."""
    while not (found := await stone.approvals.list(asset=staging)):
        await asyncio.sleep(0.02)
    return found[0]


async def main(stone: Client) -> None:
    run = await stone.materialize_all(production, "v1")
    approval = await asked(stone)
    status = await stone.status(staging, "v1")
    assert (status.state, approval.id in status.reason) == ("waiting", True)
    assert not await stone.exists(staging, "v1")
    assert await stone.value(staging, "v1", approval.version) == "tested build"
    await stone.approvals.approve(approval.id, comment="looks good")
    assert await run.result() == "tested build, in production"

    run = await stone.materialize_all(production, "v2")
    await stone.approvals.reject((await asked(stone)).id, reason="the logo is wrong")
    assert "rejected" in str((await run.wait()).error)

    assert (await (await stone.materialize_all(never_asked)).wait()).status == "failed"
    assert await stone.approvals.list() == []


async def run() -> None:
    async with app.local() as stone:
        await main(stone)


if __name__ == "__main__":
    asyncio.run(run())
