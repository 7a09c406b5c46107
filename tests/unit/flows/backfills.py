"""Plays of many keys: the flow and the world it meets, each under its name."""

from __future__ import annotations

from datetime import timedelta

from flowstone.core.messages import Backfill, Ended, Request
from flowstone.core.plan import Rule
from flowstone.core.replies import Cancelled, Held, NotHere, Raised, Skipped, Snoozed
from flowstone.flows.table import AnyFlow
from tests.unit.flows.scripted import BEGIN, CLOSED, Script, skeleton

__all__ = ["BACKFILLS"]

PAIR = skeleton({"rows": [], "report": ["rows"]})
SHARED = skeleton(
    {"catalog": [], "rows": [], "report": ["catalog", "rows"]}, single=["catalog"]
)
ALL_SHARED = skeleton({"rows": [], "report": ["rows"]}, single=["rows", "report"])


def _many(keys: int, *, parallel: int = 4, stop: bool = False) -> Backfill:
    request = Request(
        run="r1",
        verb="backfill",
        pipeline="shop",
        asset="report",
        keys=keys,
        parallel=parallel,
        on_failure="stop" if stop else "continue",
    )
    return Backfill(request=request)


BACKFILLS: dict[str, tuple[AnyFlow, Script]] = {
    "backfill": (_many(5), Script(skeleton=PAIR, keys=5)),
    "backfill-one-key": (_many(1), Script(skeleton=PAIR, keys=1)),
    "backfill-no-key": (_many(0), Script(skeleton=PAIR, keys=0)),
    "backfill-cannot-begin": (
        _many(2),
        Script(skeleton=PAIR, keys=2, plans=[Ended(status="failed")]),
    ),
    "backfill-shared": (_many(4), Script(skeleton=SHARED, keys=4)),
    "backfill-shared-fails": (
        _many(2),
        Script(skeleton=SHARED, keys=2, replies={"catalog": [Raised()]}),
    ),
    "backfill-all-shared": (_many(3), Script(skeleton=ALL_SHARED, keys=3)),
    "backfill-goes-on": (
        _many(6, parallel=2),
        Script(skeleton=PAIR, keys=6, replies={"rows@1": [Raised()]}),
    ),
    "backfill-skips": (
        _many(2),
        Script(skeleton=PAIR, keys=2, replies={"rows": [Skipped()] * 2}),
    ),
    "backfill-gate-cancels": (
        _many(2),
        Script(
            skeleton=PAIR,
            keys=2,
            replies={
                "rows@1": [Held(gate="g", deadline=BEGIN + timedelta(minutes=10))]
            },
            gates={"rows@1": [Cancelled()]},
        ),
    ),
    "backfill-moved": (
        _many(2),
        Script(
            skeleton=PAIR,
            keys=2,
            replies={
                "rows@1": [Held(gate="g", deadline=BEGIN + timedelta(minutes=10))]
            },
            newer=(20, 31),
            bells=[(30, ""), (60, "g")],
        ),
    ),
    "backfill-moved-shared": (
        _many(2),
        Script(
            skeleton=SHARED,
            keys=2,
            replies={
                "catalog": [Held(gate="g", deadline=BEGIN + timedelta(minutes=10))]
            },
            newer=(20, 31),
            bells=[(30, ""), (60, "g")],
        ),
    ),
    "backfill-stops": (
        _many(6, parallel=2, stop=True),
        Script(
            skeleton=PAIR,
            keys=6,
            replies={"rows@0": [Raised()], "rows@5": [Snoozed(millis=5_000)]},
            seconds={"rows": 10, "report": 10},
        ),
    ),
    "backfill-stops-others": (
        _many(4_002, parallel=3, stop=True),
        Script(
            skeleton=skeleton({"rows": [], "report": ["rows"]}, millis={"rows": 300}),
            keys=4_002,
            replies={"rows@1334": [Raised()]},
            seconds={"rows": 10},
        ),
    ),
    "backfill-retries": (
        _many(2),
        Script(
            skeleton=skeleton(
                {"rows": [], "report": ["rows"]},
                rules={"rows": Rule(attempts=2, declared=True)},
            ),
            keys=2,
            replies={"rows@1": [Raised()]},
        ),
    ),
    # --- cancellation ---------------------------------------------------------------
    "backfill-cancelled-before-the-plan": (
        _many(2),
        Script(skeleton=PAIR, keys=2, unserved=["MakePlan"], cancels=[5]),
    ),
    "backfill-cancelled-at-the-plan": (
        _many(3),
        Script(skeleton=SHARED, keys=3, deaf=["MakePlan"], cancels=[0.5]),
    ),
    "backfill-cancelled-shared": (
        _many(3),
        Script(skeleton=SHARED, keys=3, seconds={"catalog": 60}, cancels=[5]),
    ),
    "backfill-cancelled": (
        _many(4, parallel=2),
        Script(skeleton=SHARED, keys=4, seconds={"rows": 60}, cancels=[90]),
    ),
    "backfill-cancelled-reading": (
        _many(2),
        Script(skeleton=SHARED, keys=2, unserved=["ReadPlan"], cancels=[5]),
    ),
    "backfill-cancelled-ending": (
        _many(2),
        Script(skeleton=PAIR, keys=2, cancels=[3.5]),
    ),
    # --- continuing as new ----------------------------------------------------------
    "backfill-continued": (
        _many(6, parallel=2),
        Script(
            skeleton=skeleton({"rows": [], "report": ["rows"]}, millis={"rows": 300}),
            keys=6,
            full=4,
        ),
    ),
    "backfill-continued-shared": (
        _many(2),
        Script(
            skeleton=SHARED,
            keys=2,
            replies={"catalog": [Snoozed(millis=60_000)]},
            full=2,
        ),
    ),
    "backfill-continued-without-a-worker": (
        _many(2),
        Script(skeleton=PAIR, keys=2, plans=[NotHere(why="no worker")] * 2, full=2),
    ),
    "backfill-cancelled-continued": (
        _many(2),
        Script(
            skeleton=PAIR,
            keys=2,
            replies={"rows": [Snoozed(millis=60_000)] * 2},
            deaf=["ReadPlan"],
            full=2,
            cancels=[3.5],
        ),
    ),
    # --- what must not happen -------------------------------------------------------
    "backfill-shard-broken": (
        _many(2, parallel=2),
        Script(
            skeleton=PAIR,
            keys=2,
            replies={"rows@1": [OSError("gone")]},
            seconds={"report": 60},
        ),
    ),
    "backfill-closed": (
        _many(2, parallel=2),
        Script(skeleton=PAIR, keys=2, replies={"rows@1": [CLOSED]}),
    ),
}
