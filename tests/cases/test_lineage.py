"""Lineage: the lines of the cases on what was made from what."""

from __future__ import annotations

import asyncio

import pytest

from flowstone import (
    Context,
    Flowstone,
    Pipeline,
    Signal,
    ValueNotFound,
    asset,
)


@asset
def source() -> int:
    return 1


@asset
def left(source: int) -> int:
    return source


@asset
def right(source: int) -> int:
    return source


@asset
def sink(left: int, right: int) -> int:
    return left + right


@asset
def after_sink(sink: int) -> int:
    return sink


APP = Flowstone("diamond", Pipeline(source, left, right, sink, after_sink))


async def test_lineage_goes_both_ways() -> None:
    """A value knows what it was made from, and what was made from it (LIN-01, LIN-02).

    LIN-05: each entry names its asset, its key, its exact version and its run.
    """
    async with APP.local() as stone:
        run = await stone.materialize_all(after_sink, "p")
        await run.result()

        [entry] = await stone.lineage.upstream(left, "p")
        assert (entry.asset, entry.partition, entry.depth) == ("source", "p", 1)
        assert entry.run_id == run.id
        assert entry.version == (await stone.status(source, "p")).version
        down = await stone.lineage.downstream(sink, "p")
        assert [e.asset for e in down] == ["after_sink"]


async def test_a_diamond_names_its_source_once() -> None:
    """Lineage has each version once, at its nearest, and stops at a depth (LIN-06).

    LIN-07: the four nodes of a diamond, reached from its sink.
    """
    async with APP.local() as stone:
        await (await stone.materialize_all(after_sink)).result()

        up = await stone.lineage.upstream(after_sink)
        near = await stone.lineage.upstream(after_sink, depth=2)
        down = await stone.lineage.downstream(source)

    assert [(e.asset, e.depth) for e in up] == [
        ("sink", 1),
        ("left", 2),
        ("right", 2),
        ("source", 3),
    ]
    assert {e.asset for e in near} == {"sink", "left", "right"}
    assert {e.asset for e in down} == {"left", "right", "sink", "after_sink"}


async def test_impact_is_what_readers_see_now() -> None:
    """Impact leaves out what was made again since."""
    async with APP.local() as stone:
        await (await stone.materialize_all(sink)).result()
        first = (await stone.status(source)).version
        await (await stone.materialize_all(left, policy="always")).result()

        impact = await stone.lineage.impact(source, version=first)
        down = await stone.lineage.downstream(source, version=first)

    assert {e.asset for e in impact} == {"right", "sink"}
    assert {e.asset for e in down} == {"left", "right", "sink"}


async def test_a_value_that_is_not_there_has_no_lineage() -> None:
    """Asking for the lineage of what was never made is an error."""
    async with APP.local() as stone:
        with pytest.raises(ValueNotFound):
            await stone.lineage.upstream(sink)


TOKENS: list[str] = []


@asset
def answered(source: int, ctx: Context) -> int | Signal[int]:
    TOKENS.append(ctx.token)
    return Signal()


async def test_an_answer_was_made_from_what_its_asset_has_read() -> None:
    """A value that came by a signal has the upstream of the attempt that waited."""
    async with Flowstone("gated", Pipeline(source, answered)).local() as stone:
        run = await stone.materialize_all(answered)
        while not await stone.gates.list():
            await asyncio.sleep(0.02)
        await stone.gates.signal(TOKENS[-1], 41)
        assert await run.result() == 41

        up = await stone.lineage.upstream(answered)

    assert [(e.asset, e.depth) for e in up] == [("source", 1)]
