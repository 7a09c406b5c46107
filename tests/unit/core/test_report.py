"""A run as people read it, bounded whatever its size."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from flowstone.core.messages import Request, Shard, ShardEnded
from flowstone.core.order import Order
from flowstone.core.plan import Rule, Skeleton
from flowstone.core.replies import Busy, NotHere, Produced, Raised
from flowstone.core.report import describe, describe_shards, shard_summary, summary
from flowstone.core.state import RunState
from flowstone.core.table import State
from tests.unit.core.driven import CHAIN, FAN, driven
from tests.unit.flows.scripted import skeleton

REQUEST = Request(
    run="r1",
    verb="materialize_all",
    pipeline="shop",
    asset="report",
    key="2025-01-15",
    keys=9,
)
SHARDS = [
    Shard(request=REQUEST, number=n, first=4 * n, count=4 + n, parallel=1, common="")
    for n in (0, 1)
]
NOW = datetime(2025, 1, 15, tzinfo=UTC)
LONG = skeleton({f"an_asset_with_quite_a_long_name_{i}": [] for i in range(9)})


def state(plan: Skeleton, *, key: str = "", first: int = 0, count: int = 1) -> RunState:
    return RunState(plan, replace(REQUEST, key=key), first=first, count=count)


def order(*cells: int, gates: bool = False) -> Order:
    return Order(cells=cells, dispatch=1, gates=gates)


@pytest.mark.parametrize(
    ("cells", "first", "count", "text"),
    [
        ((0, 1, 2), 0, 1, "raw → cleaned → report @ 2025-01-15"),
        ((1,), 0, 2, "cleaned @ key 1 of 9"),
        ((1, 4), 0, 2, "cleaned @ keys 1 to 2 of 9"),
        ((3, 4, 5), 7, 2, "raw → cleaned → report @ key 9 of 9"),
        ((1,), 7, 1, "cleaned @ key 8 of 9"),
    ],
)
def test_an_order_is_named_by_its_assets_and_keys(
    cells: tuple[int, ...], first: int, count: int, text: str
) -> None:
    """An activity's summary says what it makes, and for which keys."""
    found = state(skeleton(CHAIN), key="2025-01-15", first=first, count=count)

    assert summary(found, order(*cells)) == text


def test_a_run_without_a_key_names_none() -> None:
    """An asset without partitions is named alone."""
    assert summary(state(skeleton(CHAIN)), order(0)) == "raw"


def test_what_has_no_key_names_none() -> None:
    """An asset that every key reads as it is is named without the run's key."""
    plan = replace(skeleton(CHAIN), single=(0,))
    found = state(plan, key="2025-01-15")

    assert summary(found, order(0)) == "raw"
    assert summary(found, order(0, 1)) == "raw → cleaned @ 2025-01-15"


def test_a_further_attempt_says_so() -> None:
    """An activity that tries an asset again says which attempt it is."""
    retried = replace(skeleton({"report": []}), rules=(Rule(attempts=3),))
    found = state(retried, key="2025-01-15")
    (first,) = found.orders(NOW, 1)
    assert summary(found, first) == "report @ 2025-01-15"
    found.fold(first, [Raised(after=0)], NOW)
    (again,) = found.orders(NOW, 1)

    assert summary(found, again) == "report @ 2025-01-15, attempt 2"


def test_a_shard_is_named_by_its_keys() -> None:
    """A part of a backfill says which of the keys are its own, counted from one."""
    assert shard_summary(SHARDS[0]) == "report @ keys 1 to 4 of 9"


def test_a_backfill_tells_how_its_shards_stand() -> None:
    """A backfill's page tells how many keys are done, and which part has failures."""
    ended = {0: ShardEnded(number=0, table="", failed=1)}

    assert describe_shards(SHARDS, ended).splitlines() == [
        "**4 of 9 keys done**: 1 failed",
        "",
        "| keys | state | |",
        "|:---|:---|:---|",
        "| 1 to 4\N{EM SPACE} | ✓ ended\N{EM SPACE} | ✗ 1 failed |",
        "| 5 to 9\N{EM SPACE} | ▶ running\N{EM SPACE} |  |",
    ]
    assert describe_shards(SHARDS, {}).startswith("**0 of 9 keys done**\n")


def test_the_asking_of_a_gate_is_told_from_the_making() -> None:
    """What asks a gate says so."""
    found = state(skeleton(CHAIN))

    assert summary(found, order(1, gates=True)) == "gate of cleaned"


def test_a_long_summary_names_its_ends() -> None:
    """Of many assets the first and the last are named, and how many there are."""
    text = summary(state(LONG), order(*range(9)))

    assert text == f"{LONG.names[0]} → … → {LONG.names[8]} (9 assets)"


def test_no_summary_is_longer_than_temporal_takes() -> None:
    """Names and keys are cut, however long they are."""
    plan = skeleton({"a" * 300: [], "b" * 300: []})
    for cells in ((0,), (0, 1)):
        text = summary(state(plan, key="k" * 300), order(*cells))
        assert len(text) == 190
        assert text.endswith("…")


def test_people_see_what_goes_on_first() -> None:
    """What runs comes first, then what broke, what is to come, and what is done."""
    run = driven({**FAN, "rest": []})
    raw, rest = run.start()
    run.fold(raw, Produced())
    run.fold(rest, Raised())
    left, _ = run.start()
    run.fold(left, Busy(owner="r0"))

    assert describe(run.state).splitlines() == [
        "**2 of 5 done**: 1 waits for upstream, 1 running, 1 made by another run, "
        "1 made, 1 failed",
        "",
        "| asset | state | |",
        "|:---|:---|:---|",
        "| left\N{EM SPACE} | ⏸ made by another run\N{EM SPACE} | run r0 is making it |",
        "| right\N{EM SPACE} | ▶ running\N{EM SPACE} |  |",
        "| rest\N{EM SPACE} | ✗ failed\N{EM SPACE} |  |",
        "| report\N{EM SPACE} | waits for upstream\N{EM SPACE} |  |",
        "| raw\N{EM SPACE} | ✓ made\N{EM SPACE} |  |",
    ]


def test_every_state_has_words() -> None:
    """Each state of a cell is told to people, but for what is made elsewhere."""
    names = [f"n{s}" for s in State]
    found = state(skeleton({name: [] for name in names}))
    found.table[:] = bytes(State)
    text = describe(found)

    assert sum(f"| n{s}\N{EM SPACE} |" in text for s in State) == len(State) - 1
    assert "elsewhere" not in text


def test_a_stretch_of_keys_names_the_key() -> None:
    """Where there are several keys, each row says of which it is."""
    assert "| raw @ key 7\N{EM SPACE} | ready\N{EM SPACE} |  |" in describe(
        state(skeleton(CHAIN), first=6, count=2)
    )


def test_a_large_table_shows_sixty_rows() -> None:
    """However many cells there are, the description is short."""
    text = describe(state(skeleton(CHAIN), count=1_000))

    assert len(text.splitlines()) == 4 + 60 + 1
    assert text.endswith("| … 2940 more | | |")


def test_a_note_cannot_break_the_table() -> None:
    """A note is one line, without bars, and cut."""
    run = driven({"report": []})
    run.answer(NotHere(why=f"a | b\nc {'x' * 300}"))
    row = describe(run.state).splitlines()[-1]

    assert row.startswith("| report\N{EM SPACE} | ⏸ asleep\N{EM SPACE} | a ¦ b c xxx")
    assert row.endswith("x… |")
    assert len(row) < 160
