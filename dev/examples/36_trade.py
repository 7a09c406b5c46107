"""Large trades: a decision on exact inputs, with edits; or the deadline decides."""

import asyncio
from datetime import timedelta
from typing import NamedTuple

from flowstone import Approval, Client, Flowstone, OutOfDate, Pipeline, asset
from flowstone.views import ApprovalEntry

SOON = timedelta(milliseconds=100)


class Trade(NamedTuple):
    """What somebody may have to approve."""

    value: int


@asset
def quote() -> int:
    return 2_000_000


@asset
def high_value_trade(quote: int) -> Trade | Approval[Trade]:
    """Ask for large trades only."""
    trade, day = Trade(quote), timedelta(days=1)
    large = trade.value > 1_000_000
    return Approval(trade, message="Large trade", timeout=day) if large else trade


@asset
def unattended(quote: int) -> Approval[Trade]:
    """Ask another one when nobody decides; in the end it is rejected."""
    trade, board = Trade(quote), "the board"
    return Approval(trade, timeout=SOON, on_timeout="escalate", escalate_to=board)


@asset
def trusted(quote: int) -> Approval[Trade]:
    return Approval(Trade(quote), timeout=SOON, on_timeout="approve")


app = Flowstone("trade", Pipeline(quote, high_value_trade, unattended, trusted))


async def asked(stone: Client, but: str = "") -> ApprovalEntry:
    while not (found := await stone.approvals.list()) or found[0].id == but:
        await asyncio.sleep(0.02)
    return found[0]


async def main(stone: Client) -> None:
    run = await stone.materialize_all(high_value_trade)
    old = await asked(stone)
    # The market moves on: what was looked at is no longer what it is made from.
    await (await stone.materialize(quote, policy="always")).wait()
    try:
        await stone.approvals.approve(old.id)
    except OutOfDate:
        await stone.approvals.recompute(old.id)
    new = await asked(stone, but=old.id)
    await stone.approvals.approve(new.id, edits=Trade(900_000), comment="half of it")
    assert await run.result() == Trade(900_000)
    upstream = await stone.lineage.upstream(high_value_trade)
    assert new.version in {entry.version for entry in upstream}

    rejected = await (await stone.materialize_all(unattended)).wait()
    assert "nobody decided" in str(rejected.error)
    approved = await stone.materialize_all(trusted)
    assert await approved.result() == Trade(2_000_000)


async def run() -> None:
    async with app.local() as stone:
        await main(stone)


if __name__ == "__main__":
    asyncio.run(run())
