"""Plays of one key: the flow and the world it meets, each under its name."""

from __future__ import annotations

from datetime import timedelta

from flowstone.core.errors import Superseded
from flowstone.core.messages import Ended, First, Materialize, Planned, Request
from flowstone.core.plan import Rule, Skeleton
from flowstone.core.replies import (
    Busy,
    Cancelled,
    Held,
    Left,
    Missing,
    NotHere,
    PackReply,
    Produced,
    Raised,
    Reply,
    Reused,
    Skipped,
    Snoozed,
)
from flowstone.core.replies import Superseded as Late
from flowstone.flows.table import AnyFlow
from tests.unit.flows.scripted import BEGIN, CLOSED, Script, skeleton

__all__ = ["PLAYS"]

CHAIN = skeleton({"raw": [], "cleaned": ["raw"], "report": ["cleaned"]})
ONE = skeleton({"report": []})
FAN = skeleton(
    {"raw": [], "left": ["raw"], "right": ["raw"], "report": ["left", "right"]}
)


def _retrying(**rules: Rule) -> Skeleton:
    return skeleton({"raw": [], "cleaned": ["raw"], "report": ["cleaned"]}, rules=rules)


def _one() -> Materialize:
    request = Request(
        run="r1", verb="materialize_all", pipeline="shop", asset="report", key="k"
    )
    return Materialize(request=request)


def _along(*replies: Reply, ended: bool = True, closed: bool = False) -> Planned:
    """Give the answer of a step that has made what it could along with the plan."""
    found = replies or (Left(),) * 3
    reply = PackReply(replies=found, ended=ended and not closed, closed=closed)
    return Planned(skeleton=CHAIN, first=First(cells=[0, 1, 2], reply=reply))


def _until(seconds: float) -> Held:
    return Held(gate="g", deadline=BEGIN + timedelta(seconds=seconds))


PLAYS: dict[str, tuple[AnyFlow, Script]] = {
    # --- one asset after another ----------------------------------------------------
    "made": (_one(), Script(skeleton=CHAIN)),
    "made-apart": (_one(), Script(skeleton=FAN)),
    "made-along": (_one(), Script(skeleton=CHAIN, plans=[_along(*[Produced()] * 3)])),
    "left-along": (
        _one(),
        Script(skeleton=CHAIN, plans=[_along(Produced(), Left(), Left(), ended=False)]),
    ),
    "failed-along": (
        _one(),
        Script(
            skeleton=CHAIN,
            plans=[_along(Raised(retryable=False), Left(), Left(), ended=False)],
        ),
    ),
    "closed-along": (_one(), Script(skeleton=CHAIN, plans=[_along(closed=True)])),
    "made-known": (
        _one(),
        Script(
            skeleton=skeleton(
                {
                    "raw": [],
                    "left": ["raw"],
                    "right": ["raw"],
                    "report": ["left", "right"],
                },
                millis={"raw": 5, "left": 5, "right": 5, "report": 5},
            )
        ),
    ),
    "cannot-begin": (_one(), Script(skeleton=CHAIN, plans=[Ended(status="failed")])),
    "reused": (
        _one(),
        Script(skeleton=CHAIN, replies={n: [Reused()] for n in CHAIN.names}),
    ),
    # --- failures -------------------------------------------------------------------
    "retried": (
        _one(),
        Script(
            skeleton=_retrying(cleaned=Rule(attempts=4, declared=True)),
            replies={"cleaned": [Raised(), Raised(), Raised()]},
        ),
    ),
    "given-up": (
        _one(),
        Script(
            skeleton=_retrying(cleaned=Rule(attempts=2, declared=True)),
            replies={"cleaned": [Raised(), Raised()]},
        ),
    ),
    "fatal": (
        _one(),
        Script(
            skeleton=_retrying(cleaned=Rule(attempts=5, declared=True)),
            replies={"cleaned": [Raised(retryable=False)]},
        ),
    ),
    "retried-when-asked": (
        _one(),
        Script(skeleton=CHAIN, replies={"raw": [Raised(after=90_000)] * 2}),
    ),
    "failed-apart": (
        _one(),
        Script(skeleton=FAN, replies={"left": [Raised()]}, seconds={"right": 60}),
    ),
    "lost-worker": (
        _one(),
        Script(
            skeleton=CHAIN,
            replies={"raw": [Left(solo=True)], "cleaned": [Left(solo=True)]},
        ),
    ),
    "lost-input": (
        _one(),
        Script(
            skeleton=skeleton(
                {"raw": [], "cleaned": ["raw"], "report": ["raw", "cleaned"]}
            ),
            replies={"report": [Missing(nodes=[0, 1])]},
        ),
    ),
    "superseded": (_one(), Script(skeleton=ONE, replies={"report": [Late()]})),
    "broken": (
        _one(),
        Script(
            skeleton=FAN, replies={"left": [OSError("gone")]}, seconds={"right": 60}
        ),
    ),
    "closed": (
        _one(),
        Script(skeleton=FAN, replies={"left": [CLOSED]}, seconds={"right": 60}),
    ),
    # --- waiting --------------------------------------------------------------------
    "snoozed": (
        _one(),
        Script(skeleton=CHAIN, replies={"cleaned": [Snoozed(millis=3_600_000)]}),
    ),
    "skipped": (
        _one(),
        Script(
            skeleton=skeleton(
                {"raw": [], "cleaned": ["raw"], "report": ["raw", "cleaned"]},
                soft={"report": ["cleaned"]},
            ),
            replies={"cleaned": [Skipped()]},
        ),
    ),
    "skipped-all": (_one(), Script(skeleton=CHAIN, replies={"raw": [Skipped()]})),
    "skipped-between": (
        _one(),
        Script(
            skeleton=skeleton(
                {
                    "raw": [],
                    "cleaned": ["raw"],
                    "rest": [],
                    "report": ["cleaned", "rest"],
                },
                soft={"report": ["cleaned"]},
            ),
            replies={"raw": [Skipped()]},
        ),
    ),
    "busy": (
        _one(),
        Script(
            skeleton=CHAIN, replies={"cleaned": [Busy(owner="r0")] * 2 + [Reused()]}
        ),
    ),
    "busy-until-rung": (
        _one(),
        Script(
            skeleton=CHAIN,
            replies={"cleaned": [Busy(owner="r0"), Reused()]},
            bells=[(3.5, "")],
        ),
    ),
    "busy-rung-before": (
        _one(),
        Script(skeleton=ONE, replies={"report": [Busy(owner="r0")]}, bells=[(1.5, "")]),
    ),
    "answered": (
        _one(),
        Script(
            skeleton=CHAIN,
            replies={"cleaned": [_until(600)]},
            bells=[(60, "another's"), (90, "g")],
        ),
    ),
    "answered-early": (
        _one(),
        Script(skeleton=ONE, replies={"report": [Held(gate="g", answered=True)]}),
    ),
    "answered-before-told": (
        _one(),
        Script(
            skeleton=ONE,
            replies={"report": [Held(gate="g")]},
            bells=[(1.5, "another's"), (1.6, "g")],
        ),
    ),
    "answered-while-asked": (
        _one(),
        Script(
            skeleton=ONE,
            replies={"report": [_until(600)]},
            gates={"report": [_until(600)]},
            bells=[(5, "g"), (5.5, "g")],
        ),
    ),
    "expired": (
        _one(),
        Script(
            skeleton=CHAIN,
            replies={"cleaned": [_until(600)]},
            gates={"cleaned": [Raised(retryable=False)]},
        ),
    ),
    "expired-cancels": (
        _one(),
        Script(
            skeleton=CHAIN,
            replies={"cleaned": [_until(600)]},
            gates={"cleaned": [Cancelled()]},
        ),
    ),
    "expired-extended": (
        _one(),
        Script(
            skeleton=ONE,
            replies={"report": [_until(600)]},
            gates={"report": [_until(1200)]},
        ),
    ),
    "reminded": (
        _one(),
        Script(
            skeleton=CHAIN,
            replies={"cleaned": [_until(600)]},
            gates={"cleaned": [_until(1200), _until(1800)]},
        ),
    ),
    "asked-again": (
        _one(),
        Script(
            skeleton=CHAIN,
            replies={"cleaned": [_until(600), _until(1200)]},
            gates={"cleaned": [Left()]},
            bells=[(900, "g")],
        ),
    ),
    "deadline-moved": (
        _one(),
        Script(
            skeleton=ONE,
            replies={"report": [_until(600)]},
            gates={"report": [_until(1200)]},
            bells=[(60, "g")],
        ),
    ),
    "gate-unknown": (
        _one(),
        Script(
            skeleton=ONE,
            replies={"report": [_until(600)]},
            gates={"report": [Left()]},
            bells=[(5, "g")],
        ),
    ),
    "gate-closed": (
        _one(),
        Script(
            skeleton=ONE,
            replies={"report": [_until(600)]},
            gates={"report": [CLOSED]},
            bells=[(5, "g")],
        ),
    ),
    "not-here": (
        _one(),
        Script(skeleton=CHAIN, replies={"cleaned": [NotHere(why="no worker")] * 2}),
    ),
    "not-planned": (
        _one(),
        Script(skeleton=ONE, plans=[NotHere(why="no worker")] * 7),
    ),
    "plan-broken": (_one(), Script(skeleton=ONE, plans=[OSError("gone")])),
    "end-broken": (
        _one(),
        Script(
            skeleton=ONE,
            replies={"report": [Skipped()]},
            ends=Superseded(reason="late"),
        ),
    ),
    # --- cancellation ---------------------------------------------------------------
    "cancelled-before-the-plan": (
        _one(),
        Script(skeleton=CHAIN, unserved=["MakePlan"], cancels=[5]),
    ),
    "cancelled-at-the-plan": (
        _one(),
        Script(skeleton=CHAIN, deaf=["MakePlan"], cancels=[0.5]),
    ),
    "cancelled-without-a-worker": (
        _one(),
        Script(skeleton=CHAIN, plans=[NotHere(why="no worker")] * 9, cancels=[1.2]),
    ),
    "cancelled-making": (
        _one(),
        Script(skeleton=FAN, seconds={"left": 60, "right": 60}, cancels=[5]),
    ),
    "cancelled-making-deaf": (
        _one(),
        Script(
            skeleton=FAN,
            seconds={"left": 60, "right": 30},
            deaf=["left", "right"],
            replies={"right": [Raised()]},
            cancels=[5],
        ),
    ),
    "cancelled-unserved": (
        _one(),
        Script(skeleton=CHAIN, unserved=["raw"], cancels=[5]),
    ),
    "cancelled-twice": (
        _one(),
        Script(skeleton=ONE, seconds={"report": 60}, deaf=["report"], cancels=[5, 6]),
    ),
    "cancelled-asleep": (
        _one(),
        Script(skeleton=CHAIN, replies={"raw": [Snoozed(millis=60_000)]}, cancels=[5]),
    ),
    "cancelled-busy": (
        _one(),
        Script(skeleton=CHAIN, replies={"raw": [Busy(owner="r0")] * 9}, cancels=[12]),
    ),
    "cancelled-at-a-gate": (
        _one(),
        Script(skeleton=CHAIN, replies={"cleaned": [_until(600)]}, cancels=[5]),
    ),
    "cancelled-asking-a-gate": (
        _one(),
        Script(
            skeleton=CHAIN,
            replies={"cleaned": [_until(600)]},
            bells=[(5, "g")],
            cancels=[5.5],
        ),
    ),
    "cancelled-too-late": (
        _one(),
        Script(
            skeleton=skeleton({"raw": [], "report": ["raw"]}, soft={"report": ["raw"]}),
            replies={"raw": [Skipped()]},
            deaf=["report"],
            cancels=[2.5],
        ),
    ),
    "cancelled-after-the-last": (
        _one(),
        Script(skeleton=CHAIN, deaf=["report"], cancels=[1.5]),
    ),
    "cancelled-ending": (
        _one(),
        Script(skeleton=ONE, replies={"report": [Skipped()]}, cancels=[2.5]),
    ),
    "cancelled-broken": (
        _one(),
        Script(
            skeleton=ONE,
            seconds={"report": 60},
            deaf=["report"],
            replies={"report": [OSError("gone")]},
            cancels=[5],
        ),
    ),
    "cancelled-continued": (
        _one(),
        Script(
            skeleton=CHAIN,
            replies={"raw": [Snoozed(millis=60_000)]},
            unserved=["ReadPlan"],
            full=2,
            cancels=[5],
        ),
    ),
    "cancelled-continued-deaf": (
        _one(),
        Script(
            skeleton=CHAIN,
            replies={"raw": [Snoozed(millis=60_000)]},
            deaf=["ReadPlan"],
            full=2,
            cancels=[2.5],
        ),
    ),
    "cancelled-draining": (
        _one(),
        Script(
            skeleton=FAN,
            seconds={"left": 60},
            replies={"right": [Snoozed(millis=5_000)]},
            full=4,
            cancels=[20],
        ),
    ),
    # --- continuing as new ----------------------------------------------------------
    "continued": (_one(), Script(skeleton=FAN, seconds={"left": 60}, full=4)),
    "continued-asleep": (
        _one(),
        Script(
            skeleton=_retrying(raw=Rule(attempts=3, delay=60_000, declared=True)),
            replies={"raw": [Raised(), Raised()]},
            full=3,
        ),
    ),
    "continued-with-what-is-due": (
        _one(),
        Script(
            skeleton=FAN,
            seconds={"left": 60},
            replies={"right": [Snoozed(millis=5_000)]},
            full=4,
        ),
    ),
    "continued-at-a-gate": (
        _one(),
        Script(
            skeleton=CHAIN,
            replies={"cleaned": [_until(600)]},
            gates={"cleaned": [_until(600)]},
            full=3,
            bells=[(30, "g")],
        ),
    ),
    "moved-at-a-gate": (
        _one(),
        Script(
            skeleton=CHAIN,
            replies={"cleaned": [_until(600)]},
            gates={"cleaned": [_until(600)]},
            newer=(20, 31),
            bells=[(30, ""), (60, "g")],
        ),
    ),
    "not-moved-while-it-runs": (
        _one(),
        Script(skeleton=FAN, seconds={"left": 20, "right": 30}, newer=(5, 40)),
    ),
    "continued-without-a-worker": (
        _one(),
        Script(skeleton=ONE, plans=[NotHere(why="no worker")] * 3, full=3),
    ),
    "continued-broken": (
        _one(),
        Script(
            skeleton=CHAIN,
            replies={"raw": [Snoozed(millis=60_000)]},
            plans=[None, OSError("gone")],
            full=2,
        ),
    ),
}
