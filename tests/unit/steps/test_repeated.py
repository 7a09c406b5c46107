"""Steps that are done again: their answer is that of the first time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal, TypeVar

import pytest

from flowstone import MemoryIO, Pipeline, SqlLedger, asset
from flowstone.core.messages import (
    Cell,
    Ended,
    MakePlan,
    Planned,
    Request,
    RunAssets,
    Step,
)
from flowstone.core.replies import Left, PackReply, Produced, Superseded
from flowstone.io import IOManager, Slot, Stored
from flowstone.ledger.ids import new_id
from flowstone.steps.table import take_step
from flowstone.steps.toolbox import Toolbox

R = TypeVar("R")


class Flaky(MemoryIO):
    """A store that is not there for the first few times."""

    def __init__(self, outages: int) -> None:
        super().__init__()
        self.outages = outages

    def store_many(self, values: Sequence[tuple[object, Slot]]) -> list[Stored]:
        self.outages -= 1
        if self.outages >= 0:
            raise ConnectionError
        return list(super().store_many(values))


@asset
def source() -> int:
    return 1


@asset
def double(source: int) -> int:
    return 2 * source


PIPELINE = Pipeline(source, double)
Make = Callable[[IOManager], Toolbox]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Make toolboxes as workers hold them, on one ledger."""
    made: list[Toolbox] = []

    def toolbox(io: IOManager) -> Toolbox:
        ledger = SqlLedger(f"sqlite:///{tmp_path / 'ledger.db'}")
        ledger.upgrade()
        made.append(
            Toolbox(
                name="shop",
                pipeline=PIPELINE,
                ledger=ledger,
                io={"default": io},
                keys={},
            )
        )
        return made[-1]

    yield toolbox
    for each in made:
        each.close()
        each.ledger.close()


def do(toolbox: Toolbox, step: Step[R], attempt: int = 1) -> R:
    """Do a step, as an engine does."""
    return take_step(
        toolbox,
        step,
        workflow="w",
        attempt=attempt,
        beat=lambda _: None,
        cancelled=threading.Event(),
    )


def ask(verb: Literal["materialize", "materialize_all"]) -> Request:
    return Request(run=new_id(), verb=verb, pipeline="shop", asset="double")


def made(toolbox: Toolbox) -> int:
    with toolbox.ledger.database.reading() as conn:
        found = conn.exec_driver_sql("SELECT count(*) FROM flowstone_versions")
        return int(found.scalar_one())


def states(toolbox: Toolbox) -> list[str]:
    with toolbox.ledger.database.reading() as conn:
        query = "SELECT state FROM flowstone_attempts ORDER BY dispatch, attempt"
        return [str(state) for (state,) in conn.exec_driver_sql(query)]


def begun(toolbox: Toolbox) -> Request:
    """Begin a run of both assets, which have the numbers 0 and 1."""
    request = ask("materialize_all")
    assert isinstance(do(toolbox, MakePlan(request=request)), Planned)
    return request


def pack(
    request: Request, *nodes: int, last: bool = False, dispatch: int = 1
) -> RunAssets:
    return RunAssets(
        run=request.run,
        dispatch=dispatch,
        cells=[Cell(node) for node in nodes],
        last=last,
    )


def test_a_plan_whose_reply_was_lost_is_the_same_plan(make: Make) -> None:
    """What was taken as given when a run was planned stays, whatever came since."""
    toolbox = make(MemoryIO())
    do(toolbox, pack(begun(toolbox), 0, 1, last=True))
    request = ask("materialize")
    first = do(toolbox, MakePlan(request=request))
    toolbox.ledger.catalog.invalidate("shop/source", "-", cascade=False, actor="")

    again = do(make(MemoryIO()), MakePlan(request=request), attempt=2)

    assert isinstance(first, Planned)
    assert again == first


def test_a_run_that_cannot_begin_says_so_again(make: Make) -> None:
    """A plan that lacks its upstream ends its run once, with one and the same error."""
    toolbox, request = make(MemoryIO()), ask("materialize")

    first = do(toolbox, MakePlan(request=request))
    again = do(toolbox, MakePlan(request=request), attempt=2)

    assert isinstance(first, Ended)
    assert (first.status, first.error is not None) == ("failed", True)
    assert again == first


def test_the_step_that_ended_its_run_knows_that_it_has(make: Make) -> None:
    """When the reply of a run's last pack is lost, the run has not ended by others."""
    toolbox = make(MemoryIO())
    request = begun(toolbox)
    step = pack(request, 0, 1, last=True)

    first = do(toolbox, step)
    again = do(toolbox, step, attempt=2)
    stranger = do(toolbox, pack(request, 0, dispatch=9), attempt=2)

    assert (first.ended, again.ended, again.closed) == (True, True, False)
    assert [type(reply) for reply in again.replies] == [Produced, Produced]
    assert (stranger.ended, stranger.closed) == (False, True)


def test_a_lost_pack_runs_nothing_again(make: Make) -> None:
    """The second attempt of a pack answers what is made, and leaves the rest."""
    toolbox = make(Flaky(1))
    request = begun(toolbox)
    with pytest.raises(ConnectionError):
        do(toolbox, pack(request, 0, 1))

    again = do(toolbox, pack(request, 0, 1), attempt=2)

    assert again.replies == [Left(solo=True), Left(solo=True)]
    assert made(toolbox) == 0


def test_a_store_that_is_down_uses_nothing_up(make: Make) -> None:
    """However often a store fails, no worker counts as lost and no attempt as failed."""
    toolbox = make(Flaky(8))
    request = begun(toolbox)
    for attempt in range(1, 9):
        with pytest.raises(ConnectionError):
            do(toolbox, pack(request, 0), attempt)

    found: PackReply = do(toolbox, pack(request, 0), attempt=9)

    assert [type(reply) for reply in found.replies] == [Produced]
    assert states(toolbox) == ["broken"] * 8 + ["committed"]


def test_a_broken_pack_keeps_nobody_waiting(make: Make) -> None:
    """What a pack had claimed when its store failed is free for other runs."""
    toolbox = make(Flaky(1))
    with pytest.raises(ConnectionError):
        do(toolbox, pack(begun(toolbox), 0, 1))

    other = do(toolbox, pack(begun(toolbox), 0, 1, last=True))

    assert other.ended


def test_a_step_that_was_overtaken_makes_nothing(make: Make) -> None:
    """An attempt that wakes up after its successor calls no function."""
    toolbox = make(MemoryIO())
    request = begun(toolbox)
    do(toolbox, pack(request, 0, 1), attempt=2)

    thawed = do(make(MemoryIO()), pack(request, 0, 1), attempt=1)

    assert [type(reply) for reply in thawed.replies] == [Superseded] * 2
    assert made(toolbox) == 0
