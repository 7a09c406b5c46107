"""Errors: the lines of the cases on what they say and how they travel."""

from __future__ import annotations

import pickle
from datetime import timedelta
from typing import cast

import pytest
from temporalio.contrib.pydantic import pydantic_data_converter

from flowstone import (
    AssetFailed,
    Context,
    Flowstone,
    FlowstoneError,
    Pipeline,
    Retry,
    UpstreamFailed,
    asset,
)
from flowstone.core.messages import Cell, Request, RunAssets
from flowstone.core.replies import Busy, Held, PackReply, Produced, Raised
from flowstone.telemetry import MaterializationFailed


@asset
def failing() -> int:
    secret = "hush"
    message = f"cannot reach {len(secret)} hosts"
    raise ConnectionError(message)


async def test_a_failure_is_an_event() -> None:
    """A failed attempt is an event with its outcome (ERR-01)."""
    async with Flowstone("t", Pipeline(failing)).local() as stone:
        run = await stone.materialize(failing)
        await run.wait()
        events = [(e.name, e.asset, e.outcome) for e in await run.events()]

    assert ("flowstone.materialization.exception", "failing", "failed") in events
    assert events[-1] == ("flowstone.run.stop", "failing", "failed")


async def test_a_message_is_for_people_and_the_details_are_for_developers() -> None:
    """The message is one sentence; the traceback is beside it (ERR-04, EXE-03)."""
    async with Flowstone("t", Pipeline(failing)).local() as stone:
        outcome = await (await stone.materialize(failing)).wait()

    error = outcome.error
    assert isinstance(error, AssetFailed)
    assert str(error) == "'failing' failed: ConnectionError: cannot reach 4 hosts"
    assert "Traceback" not in str(error)
    assert "in failing" in error.details
    assert "/flowstone/steps/" not in error.details


@asset
def parsed(ctx: Context) -> int:
    return int(str(ctx.partition)) if "x" in str(ctx.partition) else _lookup(ctx)


def _lookup(ctx: Context) -> int:
    return {"a": 1}[str(ctx.partition)]


async def test_the_same_failure_is_known_at_every_key() -> None:
    """Failures of one kind have one fingerprint, whatever their keys say (ERR-07)."""
    keys = ["x1", "x2", "b", "c", "a"]
    async with Flowstone("t", Pipeline(parsed)).local() as stone:
        run = await stone.backfill(parsed, keys)
        report = await run.result()
        events = await run.events()

    groups: dict[str, set[str]] = {}
    for key, error in report.errors.items():
        assert isinstance(error, AssetFailed)
        groups.setdefault(error.fingerprint, set()).add(str(key))
    assert sorted(map(sorted, groups.values())) == [["b", "c"], ["x1", "x2"]]
    told = {
        (e.fingerprint, e.key) for e in events if isinstance(e, MaterializationFailed)
    }
    assert told == {(print_, key) for print_, found in groups.items() for key in found}


def test_errors_cross_processes_whole() -> None:
    """An error comes out of data and of pickle as it went in (ERR-06)."""
    cause = AssetFailed(asset="raw", partition="p", error_type="ValueError", error="x")
    error = UpstreamFailed(asset="report", partition="p", upstream="raw", cause=cause)

    for back in (
        FlowstoneError.from_data(error.to_data()),
        cast("FlowstoneError", pickle.loads(pickle.dumps(error))),
    ):
        assert isinstance(back, UpstreamFailed)
        assert isinstance(back.cause, AssetFailed)
        assert back.message == error.message


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (RunAssets(run="r", dispatch=1, cells=[Cell(0, 1, 2, (3,))]), RunAssets),
        (
            PackReply(
                replies=[
                    Produced(millis=3),
                    Raised(after=5),
                    Busy(owner="x"),
                    Held(gate="g"),
                ]
            ),
            PackReply,
        ),
        (
            Request(run="r", verb="materialize", pipeline="p", asset="a", key="'7'"),
            Request,
        ),
    ],
)
async def test_messages_survive_the_wire(message: object, kind: type) -> None:
    """What crosses to a worker and back is equal on the other side (EXE-07)."""
    [payload] = await pydantic_data_converter.encode([message])
    [back] = await pydantic_data_converter.decode([payload], [kind])

    assert back == message


def test_waits_grow_up_to_the_longest() -> None:
    """Each wait is the one before times the backoff, up to the longest (EXE-08)."""
    retry = Retry(
        attempts=9,
        delay=timedelta(seconds=30),
        backoff=3,
        max_delay=timedelta(seconds=300),
    )

    assert [retry.wait(n).total_seconds() for n in range(1, 6)] == [
        30,
        90,
        270,
        300,
        300,
    ]
