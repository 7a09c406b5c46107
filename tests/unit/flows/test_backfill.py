"""A backfill's keys are cut into shards, and every key's end is known."""

from __future__ import annotations

import asyncio

import pytest

from flowstone.core.messages import Backfill, Ended, Request
from flowstone.core.replies import Snoozed
from flowstone.core.table import State
from tests.unit.flows.scripted import Script, play, skeleton

PAIR = skeleton({"rows": [], "report": ["rows"]})
SHARED = skeleton(
    {"catalog": [], "rows": [], "report": ["catalog", "rows"]}, single=["catalog"]
)


def request(keys: int, *, parallel: int = 4, stop: bool = False) -> Request:
    return Request(
        run="r1",
        verb="backfill",
        pipeline="shop",
        asset="report",
        keys=keys,
        parallel=parallel,
        on_failure="stop" if stop else "continue",
    )


def flow(keys: int, *, parallel: int = 4, stop: bool = False) -> Backfill:
    return Backfill(request=request(keys, parallel=parallel, stop=stop))


@pytest.mark.parametrize(
    ("keys", "parallel", "stop", "expected"),
    [
        (1, 4, False, [1]),
        (3, 4, False, [1, 2]),
        (3, 1, False, [3]),
        (1_200, 4, False, [400, 400, 400]),
        (100_000, 50, False, [12_500] * 8),
        (2_000, 4, True, [2_000]),
        (2_001, 4, True, [1_000, 1_001]),
    ],
)
def test_keys_are_cut_into_even_stretches(
    keys: int, parallel: int, stop: bool, expected: list[int]
) -> None:
    """Up to eight shards share the keys and the window evenly, each key once."""
    lost = {n: asyncio.CancelledError() for n in range(8)}
    played = play(
        flow(keys, parallel=parallel, stop=stop),
        Script(skeleton=PAIR, keys=keys, lost=lost),
    )

    assert [s.count for s in played.shards] == expected
    assert [s.first for s in played.shards] == [
        sum(expected[:n]) for n in range(len(expected))
    ]
    assert sum(s.parallel for s in played.shards) == parallel
    assert all(s.parallel > 0 for s in played.shards)


def test_the_keys_of_a_lost_shard_are_cancelled() -> None:
    """A shard that never began leaves its keys cancelled, and those of others whole."""
    made, cancelled = State.MADE, State.CANCELLED
    lost = {0: asyncio.CancelledError()}
    script = Script(skeleton=SHARED, keys=3, lost=lost)

    played = play(flow(3, parallel=2), script)

    assert played.table == bytes([made, cancelled, cancelled, *([made] * 6)])
    assert played.found == Ended(status="cancelled")


def test_every_key_has_a_row_when_nothing_was_begun() -> None:
    """A backfill that was cancelled early writes an end for each key of each asset."""
    script = Script(skeleton=SHARED, keys=4, deaf=["MakePlan"], cancels=[0.5])

    played = play(flow(4), script)

    assert played.table == bytes([State.CANCELLED] * 12)


def test_a_shard_that_cannot_be_started_stops_the_others() -> None:
    """What breaks one shard cancels the others, and is raised when they have ended."""
    script = Script(
        skeleton=PAIR, keys=4, lost={1: OSError("gone")}, seconds={"rows": 60}
    )

    played = play(flow(4, parallel=2), script)

    assert isinstance(played.found, OSError)
    assert "0| stop ReadPlan" in played.transcript
    assert played.left == 0


def test_a_shard_carries_what_it_was_asked() -> None:
    """A shard that continues as new is asked for the same keys again."""
    millis = {"rows": 300}
    known = skeleton({"rows": [], "report": ["rows"]}, millis=millis)
    script = Script(skeleton=known, keys=5, full=3)

    played = play(flow(5, parallel=1), script)

    assert played.table == bytes([State.MADE] * 10)
    assert played.transcript.count("continue as new") > 1
    assert [s.parallel for s in played.shards] == [1]


def test_the_root_goes_on_with_what_all_keys_share() -> None:
    """A root whose history is full continues as new before any shard is started."""
    script = Script(
        skeleton=SHARED,
        keys=2,
        replies={"catalog": [Snoozed(millis=60_000)] * 2},
        full=3,
    )

    played = play(flow(2), script)

    assert played.found == Ended(status="succeeded")
    assert len(played.shards) == 2
    assert played.table == bytes([State.MADE] * 6)
