"""Values: whatever has a type comes back as that type, and `None` is a value too."""

import asyncio
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from pydantic import BaseModel

from flowstone import AssetFailed, Client, Flowstone, Pipeline, asset


@dataclass(frozen=True)
class Line:
    """A dataclass."""

    item: str
    price: Decimal


class Order(BaseModel):
    """A pydantic model."""

    placed: date
    lines: list[Line]


@asset
def scan() -> bytes:
    return b"\x89PNG"


@asset
def order(scan: bytes) -> Order:
    lines = [Line("tea", Decimal("3.50")), Line("cup", Decimal(len(scan)))]
    return Order(placed=date(2025, 1, 15), lines=lines)


@asset
def discount(order: Order) -> Decimal | None:
    """Nothing is off: that is an answer, not a missing value."""
    return Decimal(1) if len(order.lines) > 10 else None


@asset
def total(order: Order, discount: Decimal | None) -> Decimal:
    return sum((line.price for line in order.lines), Decimal()) - (discount or 0)


@asset
def socket() -> object:
    return object()


app = Flowstone("values", Pipeline(scan, order, discount, total, socket))


async def main(stone: Client) -> None:
    assert await (await stone.materialize_all(total)).result() == Decimal("7.50")

    assert await stone.value(scan) == b"\x89PNG"
    stored = await stone.value(order)
    assert isinstance(stored, Order)
    assert stored.lines[0] == Line("tea", Decimal("3.50"))
    assert (await stone.exists(discount), await stone.value(discount)) == (True, None)

    # What cannot be stored fails the asset that made it.
    outcome = await (await stone.materialize(socket)).wait()
    assert isinstance(outcome.error, AssetFailed)
    assert outcome.error.error_type == "CodecError"


async def run() -> None:
    async with app.local() as stone:
        await main(stone)


if __name__ == "__main__":
    asyncio.run(run())
