"""Approvals, and what gates do in time: the lines of the cases on both."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from inspect import signature
from typing import Any

import pytest

from flowstone import (
    AlreadyDecided,
    Approval,
    ApprovalRejected,
    Asset,
    Client,
    CodecError,
    Context,
    Flowstone,
    GateTimedOut,
    Pipeline,
    Retry,
    RunClosed,
    Signal,
    UnknownGate,
    UpstreamFailed,
    asset,
)
from flowstone.core.errors import Refused
from flowstone.views import ApprovalEntry, Approvals

DAY = timedelta(days=1)
SOON = timedelta(milliseconds=50)


def quality(**keywords: Any) -> Asset[..., Approval[int]]:
    """Declare an asset whose value is held back; `CALLS` has its calls."""
    CALLS.clear()

    @asset(version="1", retry=Retry(attempts=3, delay=timedelta(0)))
    def quality() -> Approval[int]:
        CALLS.append("quality")
        return Approval(97, **keywords)

    return quality


@asset
def published(quality: int) -> str:
    CALLS.append("published")
    return f"published at {quality}"


CALLS: list[str] = []


@asynccontextmanager
async def opened(*assets: Asset[..., object]) -> AsyncGenerator[Client]:
    async with Flowstone("t", Pipeline(*assets)).local(actor="anna") as stone:
        yield stone


async def asked(stone: Client) -> ApprovalEntry:
    while not (found := await stone.approvals.list()):
        await asyncio.sleep(0.01)
    return found[0]


async def test_what_is_asked_for_is_listed_until_it_is_decided() -> None:
    """A pending approval is listed by its id, and no more once approved.

    APR-01, APR-03, APR-07.
    """
    async with opened(quality(message="below 98"), published) as stone:
        run = await stone.materialize_all(published)
        approval = await asked(stone)
        assert approval == await stone.approvals.get(approval.id)
        assert (approval.asset, approval.message) == ("quality", "below 98")
        assert approval.state == "pending"
        decided = await stone.approvals.approve(approval.id, comment="it will do")
        assert await run.result() == "published at 97"

        assert (decided.state, decided.comment) == ("approved", "it will do")
        assert decided == await stone.approvals.get(approval.id)
        assert await stone.approvals.list() == []


async def test_what_needs_a_decision_is_not_made_without_one() -> None:
    """While an approval is pending, what comes after it is not called (APR-05)."""
    async with opened(quality(), published) as stone:
        run = await stone.materialize_all(published)
        approval = await asked(stone)

        assert approval.asset == "quality"
        assert CALLS == ["quality"]
        assert not await stone.exists("quality")
        await run.cancel()


async def test_a_deadline_is_kept_as_it_was_given() -> None:
    """A deadline is where it was set; where none was, there is none (APR-06)."""
    async with opened(quality(timeout=DAY), published) as stone:
        run = await stone.materialize_all(published)
        approval = await asked(stone)
        assert approval.deadline == approval.opened_at + DAY
        await run.cancel()
    async with opened(quality(), published) as stone:
        run = await stone.materialize_all(published)
        assert (await asked(stone)).deadline is None
        with pytest.raises(UnknownGate):
            await stone.approvals.get("nothing")
        await run.cancel()


async def test_a_value_is_edited_on_its_way() -> None:
    """What is published is what it was edited to, of the asset's type (APR-08)."""
    async with opened(quality(), published) as stone:
        run = await stone.materialize_all(published)
        approval = await asked(stone)
        with pytest.raises(CodecError):
            await stone.approvals.approve(approval.id, edits="ninety")
        decided = await stone.approvals.approve(approval.id, edits=99)

        assert decided.edited
        assert await run.result() == "published at 99"
        [original] = await stone.lineage.upstream("quality")
        assert (original.version, original.current) == (approval.version, False)
        assert await stone.value("quality", None, approval.version) == 97


async def test_a_decision_stands() -> None:
    """What was approved or rejected is not decided again, by nobody (APR-09)."""
    for verb in ("approve", "reject"):
        async with opened(quality(), published) as stone:
            run = await stone.materialize_all(published)
            approval = await asked(stone)
            await getattr(stone.approvals, verb)(approval.id)
            for again in ("approve", "reject", "recompute"):
                with pytest.raises(AlreadyDecided, match="by anna"):
                    await getattr(stone.approvals, again)(approval.id)
            with pytest.raises(AlreadyDecided, match="by anna"):
                await stone.approvals.escalate(approval.id, to="boss")
            await run.wait()


async def test_somebody_else_decides() -> None:
    """At the deadline, or by hand, another one is asked, for as long (APR-10)."""
    keywords = {"timeout": DAY, "on_timeout": "escalate", "escalate_to": "boss"}
    async with opened(quality(**keywords), published) as stone:
        run = await stone.materialize_all(published)
        first = await asked(stone)
        second = await stone.approvals.escalate(first.id, to="the board")

        assert (second.state, second.escalated_to) == ("pending", "the board")
        assert second.deadline is not None
        assert first.deadline is not None
        assert first.deadline < second.deadline
        assert "by the board" in (await stone.status("quality")).reason
        with pytest.raises(Refused, match="takes the name"):
            await stone.approvals.escalate(first.id, to="")
        await stone.approvals.approve(first.id)
        assert await run.result() == "published at 97"


async def test_what_needs_no_decision_passes() -> None:
    """An asset asks only where it wants to; else its value goes on (APR-11)."""

    @asset
    def quality() -> int | Approval[int]:
        return 99

    async with opened(quality, published) as stone:
        run = await stone.materialize_all(published)
        assert await run.result() == "published at 99"
        assert await stone.approvals.list() == []


async def test_approvals_of_one_asset_are_listed() -> None:
    """A list can be of one asset's approvals only (APR-12)."""

    @asset
    def other() -> Approval[int]:
        return Approval(1)

    @asset
    def both(quality: int, other: int) -> int:
        return quality + other

    async with opened(quality(), other, both) as stone:
        run = await stone.materialize_all(both)
        while len(found := await stone.approvals.list()) < 2:
            await asyncio.sleep(0.01)
        [one] = await stone.approvals.list(asset=other)
        assert {entry.asset for entry in found} == {"quality", "other"}
        assert one.asset == "other"
        for entry in found:
            await stone.approvals.approve(entry.id)
        assert await run.result() == 98


async def test_the_same_run_goes_on() -> None:
    """What came before a decision is not done again after it (APR-14)."""
    async with opened(quality(), published) as stone:
        run = await stone.materialize_all(published)
        approval = await asked(stone)
        await stone.approvals.approve(approval.id)
        await run.result()

        assert approval.run_id == run.id
        assert CALLS == ["quality", "published"]
        [made] = await stone.lineage.upstream(published)
        assert made.version == approval.version


async def test_a_rejection_fails_what_needs_it() -> None:
    """Who rejects says why; nothing is tried again, and readers fail (APR-15)."""
    async with opened(quality(), published) as stone:
        run = await stone.materialize_all(published)
        await stone.approvals.reject((await asked(stone)).id, reason="too low")
        error = (await run.wait()).error

        assert isinstance(error, UpstreamFailed)
        assert isinstance(error.cause, ApprovalRejected)
        assert (error.cause.reason, error.cause.winner) == (
            "too low",
            "rejected by anna",
        )
        assert CALLS == ["quality"]


async def test_a_status_names_the_approval() -> None:
    """Waiting is a status of its own, with the approval's id (API-33, APR-16)."""
    async with opened(quality(message="below 98"), published) as stone:
        run = await stone.materialize_all(published)
        approval = await asked(stone)
        for _ in range(3):
            status = await stone.status("quality")
            assert status.state == "waiting"
            assert status.reason == f"approval {approval.id}: below 98"
            assert status.run_id == run.id
        assert (await run.progress()).waiting == 1
        await run.cancel()
        await run.wait()
        with pytest.raises(RunClosed):
            await stone.approvals.approve(approval.id)


async def test_who_decides_is_known_and_written_down() -> None:
    """The actor is the client's, and never an argument; each act is audited.

    APR-17, AUD-04.
    """
    for verb in ("approve", "reject", "escalate", "recompute"):
        parameters = set(signature(getattr(Approvals, verb)).parameters)
        assert parameters.isdisjoint({"by", "actor", "user"})
    async with opened(quality(timeout=DAY), published) as stone:
        run = await stone.materialize_all(published)
        first = await asked(stone)
        await stone.approvals.escalate(first.id, to="boss")
        await stone.approvals.recompute(first.id)
        while (second := await asked(stone)).id == first.id:
            await asyncio.sleep(0.01)
        await stone.approvals.approve(second.id, comment="fine", edits=1)
        await run.result()
        gate = first.id.partition(".")[0]
        lines = await stone.audit.list(subject=gate)

    assert [(line.actor, line.action) for line in reversed(lines)] == [
        ("anna", "approval.escalate"),
        ("anna", "approval.recompute"),
        ("anna", "approval.approve"),
    ]
    last: dict[str, object] = json.loads(lines[0].data)
    assert last["version"] == second.version
    assert (last["comment"], last["edited"]) == ("fine", True)


# --- gates in time ------------------------------------------------------------------


def waits(**keywords: Any) -> Asset[..., Signal[int]]:
    CALLS.clear()

    @asset(version="1")
    def waits(ctx: Context) -> Signal[int]:
        CALLS.append(ctx.token)
        return Signal(timeout=SOON, **keywords)

    return waits


@pytest.mark.parametrize("word", ["fail", "extend"])
async def test_a_deadline_fails_or_is_extended(word: str) -> None:
    """No answer in time fails it, with how long it waited; or it waits on.

    GAT-09, GAT-18.
    """
    late = waits(on_timeout=word, extensions=1)
    async with opened(late) as stone:
        run = await stone.materialize(late)
        error = (await run.wait()).error
        told = [event.outcome for event in await run.events() if "gate" in event.data]

    assert isinstance(error, GateTimedOut)
    # It is extended when it is found to have passed, which may be later.
    once, twice = pytest.approx(0.05), error.waited_seconds >= 0.1
    assert twice if word == "extend" else error.waited_seconds == once
    assert told == ["held", *(["extended"] if word == "extend" else []), "expired"]


async def test_a_deadline_cancels() -> None:
    """Where it was asked for, no answer in time cancels the asset (GAT-18)."""
    late = waits(on_timeout="cancel")
    async with opened(late) as stone:
        outcome = await (await stone.materialize(late)).wait()

    assert outcome.status == "cancelled"


async def test_an_old_token_still_answers() -> None:
    """After the function was asked again, the first token is as good (GAT-16)."""
    late = waits(on_timeout="rerun", extensions=1_000)
    async with opened(late) as stone:
        run = await stone.materialize(late)
        while len(CALLS) < 3:
            await asyncio.sleep(0.01)
        await stone.gates.signal(CALLS[0], 5)

        assert await run.result() == 5
        assert len(set(CALLS)) == 1
