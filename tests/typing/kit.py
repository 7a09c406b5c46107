# pyright: reportUnnecessaryTypeIgnoreComment=error
"""The testing kit and telemetry keep exact types; nothing here is executed."""

from __future__ import annotations

from typing import assert_type

from flowstone import Client, Context, Skip, asset, telemetry
from flowstone.telemetry import Event, MaterializationStopped
from flowstone.testing import (
    Captured,
    FakeContext,
    call,
    capture_events,
    fake_context,
)


@asset
def raw() -> list[int]:
    """Give rows."""
    return [1]


@asset
async def total(raw: list[int], ctx: Context) -> int | Skip:
    """Add them up."""
    return sum(raw)


def told(event: Event) -> None:
    """Be a handler."""
    assert_type(event.data, dict[str, object])


def wrong(event: int) -> None:
    """Be none."""


async def check(stone: Client) -> None:
    """Check what the kit gives."""
    assert_type(call(raw), list[int])
    assert_type(await call(total, raw=[1]), int | Skip)
    assert_type(fake_context(total, "k"), FakeContext)
    call(raw, ctx=fake_context())
    call(len)  # type: ignore[arg-type]
    telemetry.attach(told, "flowstone.run.")
    telemetry.attach(wrong)  # type: ignore[arg-type]
    stone.telemetry.attach(told)
    with capture_events(stone) as events:
        assert_type(events, Captured)
    assert_type(events.of(MaterializationStopped), list[MaterializationStopped])
    assert_type(events.names, list[str])
