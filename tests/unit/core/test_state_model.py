"""A run ends as its cells' fates say, whatever happens on the way."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from flowstone.core.board import judge
from flowstone.core.table import State
from tests.unit.core.model import Play, ends_of
from tests.unit.core.plays import MOVES, hostile_plays, plays
from tests.unit.core.world import World

often = settings(deadline=None, max_examples=150)


def ended(world: World) -> list[State]:
    return [State(state) for state in world.state.table]


@often
@given(plays(), MOVES)
def test_a_run_ends_as_its_cells_do(play: Play, moves: list[int]) -> None:
    """A run ends as the model says, in whatever order things happen.

    No cell starts before what it waits for has ended, none runs twice at once.
    """
    world = World(play, moves)
    world.wander()
    world.finish()

    ends = ends_of(play)
    targets = ends[play.width - 1 :: play.width]
    assert ended(world) == ends
    assert world.state.status == judge(targets)
    assert world.state.failed == sum(
        1 for end in targets if end in {State.FAILED, State.BLOCKED}
    )


@often
@given(plays())
def test_continuing_as_new_changes_no_end(play: Play) -> None:
    """A run that continues as new whenever it can ends as any other."""
    world = World(play)
    world.finish(carry=True)

    assert ended(world) == ends_of(play)


@often
@given(hostile_plays(), MOVES)
def test_every_run_ends(play: Play, moves: list[int]) -> None:
    """However inputs are lost and answers change, nobody waits for ever."""
    world = World(play, moves, strict=False)
    world.wander()
    world.finish()

    assert min(ended(world)) >= State.MADE


@often
@given(hostile_plays(), MOVES, st.lists(st.booleans(), min_size=50, max_size=50))
def test_a_cancelled_run_keeps_what_has_ended(
    play: Play, moves: list[int], cuts: list[bool]
) -> None:
    """Whoever cancels, and when: what has ended stays, all else is cancelled."""
    world = World(play, moves, strict=False)
    world.wander()
    while world.running:
        world.fold(0, cut=cuts[len(world.running) % 50])
    before = ended(world)
    world.state.cancel()

    assert ended(world) == [s if s >= State.MADE else State.CANCELLED for s in before]
    assert world.state.settled
    assert world.state.orders(world.now, 50) == []
