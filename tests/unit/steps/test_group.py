"""What a pack has finished is committed together, and a loss takes its readers along."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import pytest

from flowstone.core.asset import asset
from flowstone.core.replies import Left, Produced, Superseded
from flowstone.io.base import Slot, Stored
from flowstone.io.memory import MemoryIO
from flowstone.ledger.base import Dispatch
from flowstone.steps.cells import wanted
from flowstone.steps.context import Context
from flowstone.steps.group import Group
from flowstone.steps.shelf import Finished, Shelf
from tests.harness import eventually
from tests.unit.steps.bench import WORKFLOW, Bench, Make


@asset
def raw() -> int:
    return 1


class Broken(MemoryIO):
    """A manager whose store is out of order for a while, and slow to say so."""

    def __init__(self, times: int, *, seconds: float = 0) -> None:
        super().__init__()
        self.times = times
        self.seconds = seconds
        self.tried = threading.Event()

    def store_many(self, values: Sequence[tuple[object, Slot]]) -> list[Stored]:
        self.tried.set()
        self.times -= 1
        time.sleep(self.seconds)
        if self.times >= 0:
            message = "the store is out of order"
            raise OSError(message)
        return super().store_many(values)


def test_what_is_finished_is_seen_while_others_run(bench: Make) -> None:
    """A value is committed 50 ms after it was made, whatever runs meanwhile."""
    times: list[float] = []

    @asset
    def slow(raw: int) -> int:
        began = time.monotonic()
        eventually(lambda: shop.version("raw"), within=5)
        times.append(time.monotonic() - began)
        return raw + 1

    shop = bench(raw, slow)
    shop.begin("slow")

    assert [r.kind for r in shop.run("raw", "slow")] == ["produced", "produced"]
    assert 0.02 < times[0] < 2


def test_quick_values_are_committed_together(bench: Make) -> None:
    """What is finished within 50 ms is one transaction, with one line of audit."""
    shop = bench(raw, _after("b", "raw"), _after("c", "b"))
    shop.begin("c")
    shop.run("raw", "b", "c")

    commits = shop.ask("SELECT 1 FROM flowstone_audit WHERE action = 'versions.commit'")
    assert len(commits) == 1


def _after(name: str, needs: str):
    @asset(name=name, needs={"up": needs})
    def after(up: int) -> int:
        return up + 1

    return after


def steal(shop: Bench, name: str) -> None:
    """Have somebody newer take a claim."""
    shop.change(
        "UPDATE flowstone_claims SET fence = fence + 1000, dispatch = 99 "
        "WHERE asset = :asset",
        asset=f"shop/{name}",
    )


def test_a_value_whose_claim_was_lost_is_discarded(bench: Make) -> None:
    """Whoever was overtaken is told so, and readers see nothing of it."""

    @asset
    def slow() -> int:
        steal(shop, "slow")
        return 1

    shop = bench(slow)
    shop.begin("slow")

    assert shop.run("slow") == [Superseded()]
    assert shop.version("slow") is None
    assert shop.attempts("slow") == ["discarded"]


def test_what_was_made_from_a_lost_value_is_left(bench: Make) -> None:
    """In one group, a loss takes all along that read it, directly or not."""

    @asset
    def lost() -> int:
        steal(shop, "lost")
        return 1

    shop = bench(lost, _after("b", "lost"), _after("c", "b"))
    shop.begin("c")

    assert shop.run("lost", "b", "c") == [Superseded(), Left(), Left()]
    assert [shop.version(n) for n in ("lost", "b", "c")] == [None] * 3
    assert shop.attempts("b") == shop.attempts("c") == ["discarded"]


def test_what_reads_a_value_while_it_is_lost_is_left(bench: Make) -> None:
    """A reader that runs when its input turns out to be lost is not committed."""

    @asset
    def lost() -> int:
        steal(shop, "lost")
        return 1

    @asset
    def reader(lost: int) -> int:
        eventually(lambda: shop.attempts("lost") == ["discarded"], within=5)
        return lost + 1

    @asset
    def after(reader: int) -> int:
        return reader

    shop = bench(lost, reader, after)
    shop.begin("after")

    assert shop.run("lost", "reader", "after") == [Superseded(), Left(), Left()]
    assert shop.version("reader") is None
    assert shop.attempts("reader") == ["discarded"]
    assert shop.attempts("after") == ["left"]


def test_a_run_that_has_another_version_keeps_it(bench: Make) -> None:
    """Within a run the first commit wins; what read the other value is left."""
    calls: list[int] = []

    @asset
    def twice() -> int:
        calls.append(1)
        if len(calls) == 1:
            shop.pack("twice", dispatch=50)
        return len(calls)

    shop = bench(twice, _after("reader", "twice"))
    shop.begin("reader")

    assert shop.run("twice", "reader") == [Produced(millis=-1), Left()]
    assert shop.version("reader") is None
    assert sorted(shop.attempts("twice")) == ["committed", "discarded"]
    assert [r.kind for r in shop.run("reader")] == ["produced"]
    assert shop.reads("reader") == {"up": shop.version_id("twice")}


# --- what breaks --------------------------------------------------------------------


def test_a_store_that_is_out_of_order_breaks_the_step(bench: Make) -> None:
    """A commit that fails is the engine's to try again, and no failure of anybody's."""
    shop = bench(raw, io={"default": Broken(1)})
    shop.begin("raw")
    with pytest.raises(OSError, match="out of order"):
        shop.pack("raw", dispatch=7)
    assert shop.version("raw") is None
    found = shop.pack("raw", dispatch=7, attempt=2)

    assert [r.kind for r in found.replies] == ["produced"]
    assert shop.attempts("raw") == ["broken", "committed"]


def test_a_commit_that_broke_in_the_background_is_not_taken_for_done(
    bench: Make,
) -> None:
    """Nothing is answered as made that a failed commit has lost."""
    manager = Broken(1)

    @asset
    def slow(raw: int) -> int:
        assert manager.tried.wait(5)
        time.sleep(0.05)
        return raw

    shop = bench(raw, slow, io={"default": manager})
    shop.begin("slow")

    with pytest.raises(OSError, match="out of order"):
        shop.pack("raw", "slow", last=True)

    assert shop.status() == "running"


def test_whoever_waits_for_a_commit_that_breaks_is_told(bench: Make) -> None:
    """The commit that comes next does not let go of what the other one lost."""
    manager = Broken(1, seconds=0.3)
    shop = bench(raw, io={"default": manager})
    shop.begin("raw")
    job = shop.toolbox.job("r1")
    assert job is not None
    who = Dispatch("r1", WORKFLOW, 1, 1)
    want = wanted(shop.toolbox, job, shop.cell("raw"))
    opened = shop.toolbox.ledger.packs.open(who, "shop", [want], rerun=False)
    attempt = opened.cells[0].attempt
    assert attempt is not None
    shelf = Shelf(shop.toolbox, job, {})
    group = Group(shop.toolbox, job, who, shelf, {})
    made = Finished(
        wanted=want,
        attempt=attempt,
        node=job.plan.nodes[0],
        millis=1,
        facts={},
        reads=[],
        told=group.tell.produced(want, attempt, 1),
    )
    shelf.put(made, 1)
    group.make(made)
    group.soon()
    assert manager.tried.wait(5)

    with pytest.raises(OSError, match="out of order"):
        group.commit(release=True, end_run=True)
    assert shop.status() == "running"


def test_a_commit_that_broke_for_a_token_is_no_failure_of_the_function(
    bench: Make,
) -> None:
    """Whatever a function makes of it, the step is tried again."""

    @asset
    def starts(raw: int, ctx: Context) -> str:
        try:
            return ctx.token
        except OSError:
            return "no token"

    shop = bench(raw, starts, io={"default": Broken(1)})
    shop.begin("starts")

    with pytest.raises(OSError, match="out of order"):
        shop.run("raw", "starts")
    assert shop.version("starts") is None
