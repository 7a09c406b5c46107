"""Recorded histories: what ran once can be replayed by every later release."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from flowstone.testing import replay

HISTORIES = sorted((Path(__file__).parent / "histories").rglob("*.json"))
LARGEST_PAYLOAD = 64 * 1024


def name_of(path: Path) -> str:
    return str(path.relative_to(Path(__file__).parent / "histories"))


def payloads(part: object) -> Iterator[str]:
    """Give every payload's data below a part of a history."""
    if isinstance(part, dict):
        fields = cast("dict[str, object]", part)
        data = fields.get("data")
        if isinstance(data, str) and "metadata" in fields:
            yield data
        for below in fields.values():
            yield from payloads(below)
    elif isinstance(part, list):
        for below in cast("list[object]", part):
            yield from payloads(below)


def test_every_shape_is_recorded() -> None:
    """Each way a run can go has a history, with and without continuing as new."""
    recorded = {name_of(path) for path in HISTORIES}

    for shape in (
        *("warm", "blocked", "answered", "expired", "cancelled", "backfill"),
        *("approved", "rejected", "recomputed", "escalated", "extended", "rerun"),
    ):
        assert f"0.1/{shape}.json" in recorded
        assert any(name.startswith(f"0.1/continued/{shape}") for name in recorded)
    # What is made along with its plan, and what moves with a deploy, has one alone.
    assert {f"0.1/{n}.json" for n in ("along", "moved-0", "moved-1")} <= recorded
    for shape in ("fired", "triggered", "failed", "refused", "cancelled", "look-news"):
        assert f"0.1/clock/{shape}.json" in recorded
    for shape in ("waited-0", "waited-8"):
        assert f"0.1/clock-continued/{shape}.json" in recorded


@pytest.mark.parametrize("path", HISTORIES, ids=name_of)
async def test_a_recorded_history_replays(path: Path) -> None:
    """A history of an earlier release is replayed by this one (TST-07)."""
    assert await replay(path) == 1


@pytest.mark.parametrize("path", HISTORIES, ids=name_of)
def test_no_payload_of_a_history_is_large(path: Path) -> None:
    """Nothing large crosses the wall: no payload is over 64 KiB (IO-20)."""
    found = list(payloads(json.loads(path.read_text())))

    assert found
    assert max(map(len, found)) * 3 // 4 <= LARGEST_PAYLOAD
