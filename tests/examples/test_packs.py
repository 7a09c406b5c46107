"""Packs decide how fast a run is, never what it makes."""

from __future__ import annotations

import pytest

from tests.examples.stage import EXAMPLES, on_local, on_temporal

pytestmark = pytest.mark.service

WAYS = {"off": False, "budget-of-zero": True, "whole": "whole"}
HANDFUL = [
    "02_quick_start",
    "07_failures",
    "12_backfill",
    "13_backfill_failures",
    "19_gate",
    "24_diamond",
]


@pytest.fixture
def packs(way: str, monkeypatch: pytest.MonkeyPatch) -> bool | str:
    """Give what an app is opened with."""
    if way == "budget-of-zero":
        monkeypatch.setenv("FLOWSTONE_PACK_BUDGET_MS", "0")
    return WAYS[way]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("example", EXAMPLES)
async def test_packs_change_no_value(example: str, packs: bool | str) -> None:
    """An example makes equal values however its assets share their steps."""
    usual = await on_local(example)
    other = await on_local(example, packs=packs)

    assert other.values == usual.values
    assert other.lineage == usual.lineage


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("example", HANDFUL)
async def test_packs_change_no_value_on_temporal(
    example: str, packs: bool | str, way: str, temporal: str
) -> None:
    """Likewise on Temporal, where a pack is an activity."""
    usual = await on_local(example)
    other = await on_temporal(example, temporal, packs=packs, suffix=f"-{way}")

    assert other.values == usual.values
    assert other.lineage == usual.lineage
