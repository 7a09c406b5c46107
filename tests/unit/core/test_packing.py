"""Which assets share an activity: nothing waits for a stranger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from flowstone.core.compact import lengthen
from flowstone.core.messages import Request
from flowstone.core.plan import Skeleton
from flowstone.core.replies import Left, Produced, Skipped
from flowstone.core.state import RunState
from tests.unit.core.driven import CHAIN, FAN, driven
from tests.unit.core.model import Play
from tests.unit.core.plays import MOVES, plays, skeletons
from tests.unit.core.world import BEGIN, World

THREE = {"a": list[str](), "b": list[str](), "report": list[str]()}
SHORT = {"a": 5, "b": 5, "report": 5}
REQUEST = Request(run="r1", verb="backfill", pipeline="shop", asset="report")


def packed(
    plan: Skeleton, *, keys: int = 1, request: Request = REQUEST
) -> list[tuple[int, ...]]:
    """Give the first packs of a run of many keys."""
    state = RunState(plan, request, count=keys)
    return [order.cells for order in state.orders(BEGIN, 10_000)]


def plan_of(waits: Mapping[str, Sequence[str]], millis: Mapping[str, int]) -> Skeleton:
    return driven(waits, millis=millis).state.skeleton


def test_a_chain_is_one_pack() -> None:
    """What depends on each other goes together, however long it may take."""
    assert driven(CHAIN, packs="auto").cells() == [(0, 1, 2)]


def test_strangers_of_unknown_duration_go_apart() -> None:
    """Nobody waits for a stranger that may take long."""
    assert driven(THREE, packs="auto").cells() == [(0,), (1,), (2,)]


def test_strangers_that_are_known_to_be_short_go_together() -> None:
    """Assets that were quick of late share an activity."""
    assert driven(THREE, millis=SHORT, packs="auto").cells() == [(0, 1, 2)]


def test_readers_that_would_wait_for_each_other_go_apart() -> None:
    """Of two readers of unknown duration none joins what the other waits for."""
    assert driven(FAN, packs="auto").cells() == [(0,)]


def test_a_diamond_that_is_known_is_one_pack() -> None:
    """A reader of two joins the pack in which both are made."""
    millis = {"raw": 5, "left": 5, "right": 5, "report": 5}

    assert driven(FAN, millis=millis, packs="auto").cells() == [(0, 1, 2, 3)]


def test_a_short_reader_follows_the_unknown_asset_that_it_needs() -> None:
    """Of two readers the short one follows; the unknown one would keep others waiting."""
    waits = {"raw": [], "slow": ["raw"], "quick": ["raw"], "report": ["slow", "quick"]}

    assert driven(waits, millis={"quick": 5}, packs="auto").cells() == [(0, 2)]


def test_a_pack_lasts_no_longer_than_its_budget() -> None:
    """What does not fit in the budget begins another pack."""
    found = packed(plan_of({"report": []}, {"report": 49}), keys=9)

    assert [len(pack) for pack in found] == [4, 4, 1]


def test_a_chain_is_cut_where_its_budget_ends() -> None:
    """Known durations cut a chain, too."""
    run = driven(CHAIN, millis={"raw": 150, "cleaned": 150}, packs="auto")

    assert run.cells() == [(0,)]


def test_a_budget_of_nothing_packs_as_ever() -> None:
    """Without a budget the worker starts one at a time, and the packs stay."""
    found = packed(
        plan_of({"report": []}, {"report": 49}),
        keys=9,
        request=replace(REQUEST, budget=0),
    )

    assert [len(pack) for pack in found] == [4, 4, 1]


def test_no_pack_has_more_than_500_cells() -> None:
    """However short, a pack has a bounded size."""
    found = packed(
        plan_of({"report": []}, {"report": 0}),
        keys=1_100,
        request=replace(REQUEST, budget=60_000),
    )

    assert [len(pack) for pack in found] == [500, 500, 100]


def test_what_was_slow_goes_alone() -> None:
    """An asset that takes longer than the budget has an activity of its own."""
    run = driven(CHAIN, millis={"raw": 5, "cleaned": 200, "report": 5}, packs="auto")

    assert [run.answer(Produced(millis=-1)).cells for _ in range(3)] == [
        (0,),
        (1,),
        (2,),
    ]


def test_what_declares_it_goes_alone() -> None:
    """An asset that needs an activity of its own has one, in whatever mode."""
    plan = replace(plan_of(THREE, SHORT), alone=[1])

    assert packed(plan) == [(0, 2), (1,)]
    assert packed(plan, request=replace(REQUEST, packs="whole")) == [(0, 2), (1,)]


def test_all_that_is_ready_goes_together_where_asked_for() -> None:
    """Packs may take all that they can, strangers included."""
    assert driven(THREE, packs="whole").cells() == [(0, 1, 2)]
    assert driven(FAN, packs="whole").cells() == [(0, 1, 2, 3)]


def test_every_asset_goes_alone_where_asked_for() -> None:
    """Packs may be switched off."""
    assert driven(THREE, millis=SHORT, packs="off").cells() == [(0,), (1,), (2,)]


def test_what_cannot_run_joins_no_pack() -> None:
    """A reader of what was skipped does not follow into a pack."""
    run = driven(
        {"a": [], "b": [], "c": ["a", "b"], "report": ["c"]},
        millis={"a": 5, "c": 5, "report": 5},
        packs="auto",
    )
    first, second = run.start()
    assert (first.cells, second.cells) == ((0,), (1,))
    run.fold(first, Left())
    run.fold(second, Skipped())

    assert run.cells() == [(0,)]


def test_a_skip_that_can_be_borne_lets_a_reader_follow() -> None:
    """A reader that can do without what was skipped follows into a pack."""
    run = driven(
        {"a": [], "b": [], "report": ["a", "b"]},
        soft={"report": ["b"]},
        millis={"a": 5, "report": 5},
        packs="auto",
    )
    first, second = run.start()
    run.fold(first, Left())
    run.fold(second, Skipped())

    assert run.cells() == [(0, 2)]


def test_durations_are_learned() -> None:
    """What was unknown is known after it ran; then what is new counts for a quarter."""
    state = RunState(plan_of({"report": []}, {}), REQUEST, count=4)
    learned: list[int] = []
    for order, millis in zip(state.orders(BEGIN, 9), (100, 20, -1, 160), strict=True):
        state.fold(order, [Produced(millis=millis)], BEGIN)
        learned.append(lengthen(state.carry()).millis[0] if state.settled else 0)

    assert learned == [0, 0, 0, 100]


# --- in general ---------------------------------------------------------------------


def below(plan: Skeleton) -> list[set[int]]:
    """Give all that each node needs, directly or not."""
    found: list[set[int]] = []
    for waits in plan.waits:
        found.append(set(waits).union(*(found[up] for up in waits)))
    return found


@settings(deadline=None, max_examples=100)
@given(skeletons(most=8), st.integers(1, 3))
def test_nothing_waits_for_a_stranger(plan: Skeleton, keys: int) -> None:
    """Who shares a pack with an unknown asset needs it, or is needed by it.

    And whoever waits for something in the pack waits for that asset anyway.
    """
    needs = below(plan)
    width = len(plan.names)
    for pack in packed(plan, keys=keys):
        nodes = {cell % width for cell in pack}
        unknown = {node for node in nodes if plan.millis[node] < 0}
        if not unknown:
            continue
        assert len({cell // width for cell in pack}) == 1
        waiting = {
            node
            for node, waits in enumerate(plan.waits)
            if node not in nodes and node not in plan.given and nodes & set(waits)
        }
        for node in unknown:
            assert all(
                other == node or other in needs[node] or node in needs[other]
                for other in nodes
            )
            assert all(node in needs[other] for other in waiting)


@settings(deadline=None, max_examples=100)
@given(plays(), MOVES)
def test_what_is_needed_comes_first_in_a_pack(play: Play, moves: list[int]) -> None:
    """No cell of a pack needs one that comes after it."""
    world = World(play, moves)
    world.wander()
    world.finish()

    for pack in world.packs:
        for place, number in enumerate(pack):
            assert not set(play.ups(number)) & set(pack[place + 1 :])
