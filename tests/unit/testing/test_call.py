"""Calling one asset: with what it reads, and with nothing else."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from flowstone import BadPartition, Cancelled, Context, Signal, Skip, asset
from flowstone.testing import call, fake_context


@asset
def upstream() -> str:
    return "real data"


@asset
def downstream(upstream: str | None) -> str:
    return "nothing" if upstream is None else upstream.upper()


@asset
def dated(ctx: Context) -> str:
    return f"data_for_{ctx.partition}"


@asset(needs={"left": "orders_eu", "right": "orders_us"})
def joined(left: list[int], right: list[int], note: str = "none") -> str:
    return f"{len(left) + len(right)} rows, {note}"


@asset
async def awaited(upstream: str, ctx: Context) -> str:
    await asyncio.sleep(0)
    return f"{ctx.asset}: {upstream}"


def test_an_asset_is_called_with_what_it_is_given() -> None:
    """An asset is run by itself, with fakes for what it reads (TST-01)."""
    assert call(upstream) == "real data"
    assert call(downstream, upstream="mocked") == "MOCKED"
    assert call(dated, ctx=fake_context(dated, "my_partition")) == (
        "data_for_my_partition"
    )


def test_two_fakes_do_not_see_each_other() -> None:
    """One asset gives two results for two fakes, and `None` is one (TST-04)."""
    assert call(downstream, upstream="a") == "A"
    assert call(downstream, upstream="b") == "B"
    assert call(downstream, upstream=None) == "nothing"
    assert call(upstream) == "real data"


def test_a_unit_test_takes_no_time() -> None:
    """An asset is tested in less than 50 ms, with a context made for it."""
    taken: list[float] = []
    for key in range(5):
        began = time.perf_counter()
        assert call(dated, ctx=fake_context(dated, key)) == f"data_for_{key}"
        taken.append(time.perf_counter() - began)

    assert min(taken) < 0.05


async def test_an_async_asset_is_awaited() -> None:
    """Of an `async def` asset one gets what can be awaited."""
    assert await call(awaited, upstream="x") == "awaited: x"


def test_an_async_asset_is_run() -> None:
    """A test that does not use asyncio runs what it gets."""
    assert asyncio.run(call(awaited, upstream="x")) == "awaited: x"


def test_what_is_optional_may_be_left_out() -> None:
    """A parameter with a default needs nothing; what is renamed goes by parameter."""
    assert call(joined, left=[1], right=[2]) == "2 rows, none"
    assert call(joined, left=[1], right=[2], note="all") == "2 rows, all"


def test_everything_that_is_wrong_is_told_at_once() -> None:
    """What is missing, misspelt or meant for another parameter is named."""
    with pytest.raises(TypeError) as caught:
        call(joined, orders_eu=[1], rihgt=[2], besides=3)

    assert str(caught.value) == (
        "call('joined'): it needs left=...; it needs right=...; it takes no "
        "'orders_eu', which it reads as 'left'; it takes no 'rihgt' (did you mean "
        "'right'?); it takes no 'besides'."
    )


def test_a_context_is_for_those_who_take_one() -> None:
    """A context for an asset that takes none would change nothing: it is refused."""
    with pytest.raises(TypeError, match="it takes no ctx"):
        call(upstream, ctx=fake_context())


def test_only_assets_are_called() -> None:
    """A plain function is called by itself."""
    with pytest.raises(TypeError, match="call it yourself"):
        call(len)  # pyright: ignore[reportArgumentType]


def test_outcomes_compare() -> None:
    """What an asset asks for instead of a value is a value of the test's."""

    @asset
    def waiting(upstream: str, ctx: Context) -> str | Skip | Signal[str]:
        return Signal(key=ctx.token) if upstream else Skip("nothing")

    assert call(waiting, upstream="") == Skip("nothing")
    assert call(waiting, upstream="x") == Signal(key="test-token")


def test_a_context_keeps_what_it_was_told() -> None:
    """A test sees the facts, the progress and the heartbeats of its function."""

    @asset
    def busy(ctx: Context) -> int:
        ctx.progress(1, 2)
        ctx.heartbeat("half way")
        ctx.metadata(rows=3)
        ctx.metadata(source="file")
        return ctx.attempt

    ctx = fake_context(busy, attempt=2)

    assert call(busy, ctx=ctx) == 2
    assert ctx.beats == [{"done": 1, "total": 2}, "half way"]
    assert ctx.facts == {"rows": 3, "source": "file"}


def test_a_context_can_be_cancelled() -> None:
    """A cancelled function is told by its next call, as in a run."""

    @asset
    def patient(ctx: Context) -> None:
        assert not ctx.cancelled
        ctx.cancel()  # pyright: ignore[reportAttributeAccessIssue]
        assert ctx.cancelled
        ctx.heartbeat()

    with pytest.raises(Cancelled):
        call(patient)


def test_a_context_has_a_key_that_a_run_could_have() -> None:
    """A key that no run could have is refused here as it would be there."""
    with pytest.raises(BadPartition):
        fake_context(dated, 1.5)  # pyright: ignore[reportArgumentType]


def test_calls_in_threads_share_nothing() -> None:
    """Calls at the same time, with different fakes, give their own results."""

    def work(number: int) -> bool:
        ctx = fake_context(dated, number)
        shown = call(downstream, upstream=str(number))
        return (shown, call(dated, ctx=ctx)) == (str(number), f"data_for_{number}")

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(200)))
