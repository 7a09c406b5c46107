"""Assets that wait at gates, and their answers."""

from __future__ import annotations

from datetime import timedelta

from flowstone.core.asset import Asset, asset
from flowstone.core.outcome import Signal
from flowstone.core.token import gate_id
from tests.unit.steps.bench import Bench, Make

__all__ = ["answer", "gate", "gated", "keyed", "plain", "raw", "waiting"]

HOUR = timedelta(hours=1)


@asset
def plain() -> Signal[int]:
    return Signal(timeout=HOUR)


def gated() -> Asset[..., Signal[int]]:
    """Declare an asset that waits for a signal; its companions are the test's."""

    @asset
    def gated(raw: int) -> Signal[int]:
        return Signal(timeout=HOUR)

    return gated


@asset
def raw() -> int:
    return 10


@asset
def keyed() -> Signal[int]:
    """Wait for what the world calls by its own id."""
    return Signal(key="task")


def waiting(bench: Make, *assets: Asset[..., object]) -> Bench:
    """Have an asset wait at its gate."""
    shop = bench(*assets)
    shop.begin(assets[0].name)
    for one in reversed(assets):
        shop.run(one.name)
    return shop


def gate(shop: Bench, name: str) -> str:
    return gate_id("r1", shop.cell(name).node, 0)


def answer(shop: Bench, name: str, payload: str) -> None:
    shop.toolbox.ledger.gates.answer(gate(shop, name), payload, "ada")
