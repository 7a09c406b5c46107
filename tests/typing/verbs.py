# pyright: reportUnnecessaryTypeIgnoreComment=error
"""What a client gives has the type of the asset's value, suspensions stripped.

Nothing here is executed: mypy and basedpyright check it, both of them strict. Each
`type: ignore` is a test too, for both report one that suppresses nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import assert_type

from flowstone import (
    Approval,
    BackfillReport,
    Client,
    Flowstone,
    Outcome,
    Progress,
    Run,
    Signal,
    Skip,
    Snooze,
    asset,
    daily,
)
from flowstone.client_sync import SyncClient, SyncRun
from flowstone.ledger.base import Gate, RunRow
from flowstone.views import ApprovalEntry, AssetStatus, LineageEntry


class Trade:
    """A value."""


@asset
def report(rows: list[int]) -> str:
    """Return a value."""
    return str(rows)


@asset(io="lake")
async def report_async(rows: list[int]) -> str:
    """Return a value from a coroutine."""
    return str(rows)


@asset
def nothing() -> None:
    """Return the value `None`."""


@asset
def perhaps() -> Trade | None:
    """Return one of two values."""
    return None


@asset
def approved() -> Trade | Approval[Trade]:
    """Have it approved where that is needed."""
    return Approval(Trade())


@asset
async def approved_async() -> Trade | Approval[Trade]:
    """Do so in a coroutine."""
    return Approval(Trade())


@asset
def approved_perhaps() -> Trade | Approval[Trade | None] | None:
    """Have one of two values approved."""
    return None


@asset
def always_approved() -> Approval[Trade]:
    """Have every value approved."""
    return Approval(Trade())


@asset
async def always_approved_async() -> Approval[Trade]:
    """Do so in a coroutine."""
    return Approval(Trade())


@asset
def signalled() -> Signal[Trade]:
    """Wait for each value."""
    return Signal()


@asset
async def signalled_async() -> Signal[Trade]:
    """Do so in a coroutine."""
    return Signal()


@asset
def signalled_perhaps() -> Trade | Signal[Trade]:
    """Wait where that is needed."""
    return Signal()


@asset
def signalled_or_skipped() -> Signal[Trade] | Skip:
    """Wait, or make nothing."""
    return Skip()


@asset
def skipped_or_snoozed() -> Trade | Skip | Snooze:
    """Make nothing, or later."""
    return Skip()


@asset
async def skipped_or_snoozed_async() -> Trade | Skip | Snooze:
    """Do so in a coroutine."""
    return Skip()


@asset
def everything() -> Trade | Approval[Trade] | Signal[Trade] | Skip | Snooze:
    """Return whatever can be returned."""
    return Trade()


@asset
async def everything_async() -> Trade | Approval[Trade] | Signal[Trade] | Skip | Snooze:
    """Do so in a coroutine."""
    return Trade()


async def a_run_has_the_assets_type(stone: Client) -> None:
    """`materialize` gives a run of the value's type."""
    assert_type(await stone.materialize(report), Run[str])
    assert_type(await stone.materialize(report_async), Run[str])
    assert_type(await stone.materialize(nothing), Run[None])
    assert_type(await stone.materialize(perhaps), Run[Trade | None])
    assert_type(await stone.materialize(approved), Run[Trade])
    assert_type(await stone.materialize(approved_async), Run[Trade])
    assert_type(await stone.materialize(approved_perhaps), Run[Trade | None])
    assert_type(await stone.materialize(always_approved), Run[Trade])
    assert_type(await stone.materialize(always_approved_async), Run[Trade])
    assert_type(await stone.materialize(signalled), Run[Trade])
    assert_type(await stone.materialize(signalled_async), Run[Trade])
    assert_type(await stone.materialize(signalled_perhaps), Run[Trade])
    assert_type(await stone.materialize(signalled_or_skipped), Run[Trade])
    assert_type(await stone.materialize(skipped_or_snoozed), Run[Trade])
    assert_type(await stone.materialize(skipped_or_snoozed_async), Run[Trade])
    assert_type(await stone.materialize(everything), Run[Trade])
    assert_type(await stone.materialize(everything_async), Run[Trade])
    assert_type(await stone.materialize("report"), Run[object])


async def so_has_one_with_all_upstream(stone: Client) -> None:
    """`materialize_all` gives a run of the value's type."""
    assert_type(await stone.materialize_all(report), Run[str])
    assert_type(await stone.materialize_all(report_async), Run[str])
    assert_type(await stone.materialize_all(approved), Run[Trade])
    assert_type(await stone.materialize_all(always_approved_async), Run[Trade])
    assert_type(await stone.materialize_all(signalled), Run[Trade])
    assert_type(await stone.materialize_all(signalled_async), Run[Trade])
    assert_type(await stone.materialize_all(everything_async), Run[Trade])
    assert_type(await stone.materialize_all("report"), Run[object])


async def other_verbs_have_types(stone: Client) -> None:
    """What the other verbs give has a type of its own."""
    run = await stone.materialize(report, date(2025, 1, 15), policy="always", key="k")
    assert_type(await run.result(), str)
    assert_type(await run.wait(), Outcome)
    assert_type(await run.progress(), Progress)
    days = daily(date(2025, 1, 1), date(2025, 1, 2))
    assert_type(await stone.backfill(report, days), Run[BackfillReport])
    assert_type(await stone.backfill("report", ["eu", "us"]), Run[BackfillReport])
    assert_type(await stone.exists(report), bool)
    assert_type(await stone.status(report), AssetStatus)
    assert_type(await stone.lineage.upstream(report), list[LineageEntry])


async def a_verb_wrongly_asked_is_an_error(stone: Client) -> None:
    """What is no asset, no key or no policy is an error."""
    await stone.materialize(1)  # type: ignore[call-overload]
    await stone.materialize(report, 1.5)  # type: ignore[call-overload]
    await stone.materialize(report, policy="never")  # type: ignore[call-overload]
    await stone.backfill(report, on_failure="retry")  # type: ignore[arg-type]


def a_synchronous_run_has_the_assets_type(stone: SyncClient) -> None:
    """Without `await`, `materialize` gives a run of the value's type."""
    assert_type(stone.materialize(report), SyncRun[str])
    assert_type(stone.materialize(report_async), SyncRun[str])
    assert_type(stone.materialize(nothing), SyncRun[None])
    assert_type(stone.materialize(perhaps), SyncRun[Trade | None])
    assert_type(stone.materialize(approved), SyncRun[Trade])
    assert_type(stone.materialize(approved_async), SyncRun[Trade])
    assert_type(stone.materialize(always_approved), SyncRun[Trade])
    assert_type(stone.materialize(signalled), SyncRun[Trade])
    assert_type(stone.materialize(signalled_async), SyncRun[Trade])
    assert_type(stone.materialize(skipped_or_snoozed), SyncRun[Trade])
    assert_type(stone.materialize(skipped_or_snoozed_async), SyncRun[Trade])
    assert_type(stone.materialize("report"), SyncRun[object])
    assert_type(stone.materialize_all(report_async), SyncRun[str])
    assert_type(stone.materialize_all(everything), SyncRun[Trade])
    assert_type(stone.materialize_all("report"), SyncRun[object])


def so_have_the_other_synchronous_verbs(app: Flowstone) -> None:
    """Without `await`, what the other verbs give has the same type."""
    with app.local().sync() as stone:
        assert_type(stone, SyncClient)
        assert_type(stone.materialize(report).result(), str)
        assert_type(stone.materialize(report).wait(), Outcome)
        assert_type(stone.materialize(report).id, str)
        assert_type(stone.backfill(report), SyncRun[BackfillReport])
        assert_type(stone.exists(report), bool)
        assert_type(stone.status(report), AssetStatus)
        assert_type(stone.runs.list(), list[RunRow])
        assert_type(stone.gates.list(), Sequence[Gate])
        assert_type(stone.approvals.list(asset=report), list[ApprovalEntry])
        assert_type(stone.approvals.get("1"), ApprovalEntry)
        assert_type(stone.approvals.approve("1", edits=Trade()), ApprovalEntry)
        stone.approvals.approve("1", by="anna")  # type: ignore[call-arg]
        stone.approvals.escalate("1")  # type: ignore[call-arg]
        assert_type(stone.lineage.impact(report), list[LineageEntry])
        stone.materialize(1)  # type: ignore[call-overload]
        stone.materialize(report, policy="never")  # type: ignore[call-overload]
