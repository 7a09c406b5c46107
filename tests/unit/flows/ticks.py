"""Plays of fires and looks: the flow and the world it meets, each under its name."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from flowstone.core.errors import BadPartition
from flowstone.core.messages import Ended, Request
from flowstone.core.replies import NotHere, Raised
from flowstone.core.ticks import Checked, Resolved, Sense, Tick
from flowstone.flows.table import AnyFlow
from tests.unit.flows.scripted import Script, skeleton

__all__ = ["TICKS"]

_FIRE = Tick(pipeline="shop", schedule="nightly", at="2025-01-16T05:00:00Z", run="r1")
_FOUND = Resolved(
    request=Request(
        run="r1",
        verb="materialize_all",
        pipeline="shop",
        asset="report",
        key="2025-01-15",
        schedule="nightly",
        scheduled_at="2025-01-16T05:00:00Z",
        tick="flowstone/shop/schedule/nightly-2025-01-16T05:00:00Z",
    )
)
_LOOK = Sense(pipeline="shop", sensor="uploads", tick="t1")
_SEEN = Checked(outcome="triggered", found=3, started=2)
_LACKING = NotHere(why="no worker has it")
_NONE = BadPartition(partition="'x'", reason="it is not one of them.")
_REFUSED = Ended(status="failed", error=_NONE.to_data())
_WORLD = Script(skeleton=skeleton({"raw": [], "report": ["raw"]}), ticks=[_FOUND])

TICKS: dict[str, tuple[AnyFlow, Script]] = {
    "tick-made": (_FIRE, _WORLD),
    "tick-failed": (_FIRE, replace(_WORLD, replies={"raw": [Raised(retryable=False)]})),
    "tick-refused": (_FIRE, replace(_WORLD, ticks=[_REFUSED])),
    "tick-broken": (_FIRE, replace(_WORLD, ticks=[OSError("gone")])),
    "tick-without-a-worker": (
        _FIRE,
        replace(_WORLD, ticks=[_LACKING, _LACKING, _FOUND]),
    ),
    "tick-continued": (
        _FIRE,
        replace(_WORLD, ticks=[_LACKING] * 3 + [_FOUND], full=3),
    ),
    "tick-cancelled-while-it-waits": (
        _FIRE,
        replace(_WORLD, ticks=[_LACKING] * 9, cancels=[2.2]),
    ),
    "tick-cancelled-while-it-asks": (_FIRE, replace(_WORLD, cancels=[0.5])),
    "tick-cancelled-as-it-is-told": (
        _FIRE,
        replace(_WORLD, deaf=["ResolveTick"], cancels=[0.5]),
    ),
    "tick-cancelled-while-it-runs": (
        _FIRE,
        replace(_WORLD, seconds={"raw": 60}, cancels=[30]),
    ),
    "tick-cancelled-before-the-run": (
        _FIRE,
        replace(_WORLD, unborn=asyncio.CancelledError()),
    ),
    "tick-without-its-run": (_FIRE, replace(_WORLD, unborn=OSError("gone"))),
    # --- a sensor that looks --------------------------------------------------------
    "look": (_LOOK, replace(_WORLD, ticks=[_SEEN])),
    "look-without-a-worker": (_LOOK, replace(_WORLD, ticks=[_LACKING, _SEEN])),
    "look-continued": (_LOOK, replace(_WORLD, ticks=[_LACKING] * 2 + [_SEEN], full=2)),
    "look-cancelled": (_LOOK, replace(_WORLD, ticks=[_LACKING] * 9, cancels=[2.2])),
}
