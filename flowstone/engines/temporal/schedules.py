"""Temporal's schedules: made to agree with what an app declares.

A schedule is the app's own where its id begins with the app's and its memo says so;
no other is touched.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import cast

from temporalio.api.workflowservice.v1 import ListScheduleMatchingTimesRequest
from temporalio.client import (
    Client,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleBackfill,
    ScheduleDescription,
    ScheduleHandle,
    ScheduleState,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.client import Schedule as Kept
from temporalio.common import TypedSearchAttributes
from temporalio.service import RPCError, RPCStatusCode

from flowstone.core.errors import ConfigurationError, RunError, UnknownSchedule
from flowstone.core.schedule import Overlap
from flowstone.core.timetable import Applied, Change, Placed, What, differences
from flowstone.engines.temporal.wanted import (
    Wanted,
    declared,
    facts_of,
    overlap_policy,
    prefix_of,
    surprises,
    wanted_by,
)
from flowstone.ledger.ids import new_id
from flowstone.steps.toolbox import Toolbox

__all__ = ["TemporalTimetable"]

_MEMO_APP = "flowstone_app"
_CHECK = "check"
_SHOWN = 5
_MOST_FIRES = 1_000
"""What Temporal lists, and keeps for later, at most; what is more, it drops."""
_STALE = timedelta(minutes=1)


class TemporalTimetable:
    """The schedules of an app on Temporal.

    Args:
        toolbox: what the app declares.
        client: connected to Temporal.
    """

    def __init__(self, toolbox: Toolbox, client: Client) -> None:
        self._toolbox = toolbox
        self._client = client
        self._attributes = True

    # --- applying -------------------------------------------------------------------

    async def apply(self, *, dry_run: bool) -> Applied:
        """Create, update and delete until the server agrees."""
        wanted = {w.id: w for w in self._wanted()}
        changes: dict[str, Change] = {}
        for i, w in wanted.items():
            change = await self._change(w)
            if change is not None:
                changes[i] = change
        warnings = await self._try_out([wanted[i] for i in changes])
        gone, left = await self._strangers(wanted)
        if not dry_run:
            for i in changes:
                await self._put(wanted[i])
            for i in gone:
                await self._delete(i)
        return Applied(
            changes=[*changes.values(), *gone.values()],
            warnings=[*warnings, *surprises(wanted.values())],
            left=left,
            dry_run=dry_run,
        )

    def _wanted(self) -> list[Wanted]:
        return wanted_by(self._toolbox)

    async def _change(self, wanted: Wanted) -> Change | None:
        """Say what is to be done about a schedule, if anything."""
        found = await self._describe(wanted.id)
        if found is None:
            return Change(kind="create", what=wanted.what, name=wanted.name)
        if not await self._is_own(found):
            raise ConfigurationError(
                problems=[
                    f"Temporal has a schedule {wanted.id!r} that is not this app's: "
                    "delete it there, or give the app another name."
                ]
            )
        fields = differences(await self._facts(found), declared(wanted))
        if not fields:
            return None
        return Change(kind="update", what=wanted.what, name=wanted.name, fields=fields)

    async def _facts(self, found: ScheduleDescription) -> dict[str, object]:
        return await facts_of(found, self._client.data_converter)

    async def _is_own(self, found: ScheduleDescription) -> bool:
        return (await found.memo()).get(_MEMO_APP) == self._toolbox.name

    async def _strangers(
        self, wanted: Mapping[str, Wanted]
    ) -> tuple[dict[str, Change], list[str]]:
        """Give what is the app's and not declared any more, and what is not its own."""
        gone: dict[str, Change] = {}
        left: list[str] = []
        query = f"ScheduleId STARTS_WITH '{self._prefix}'"
        async for listed in await self._client.list_schedules(query):
            if listed.id in wanted:
                continue
            if (await listed.memo()).get(_MEMO_APP) != self._toolbox.name:
                left.append(listed.id)
                continue
            what, _, name = listed.id.removeprefix(self._prefix).partition("/")
            if what != _CHECK:
                gone[listed.id] = Change(kind="delete", what=what, name=name)
            else:
                await self._sweep(listed.id)
        return gone, left

    async def _sweep(self, identity: str) -> None:
        """Delete what somebody tried out, and did not live to delete."""
        found = await self._describe(identity)
        if found and found.info.created_at < datetime.now(UTC) - _STALE:
            await self._delete(identity)

    async def _try_out(self, wanted: Sequence[Wanted]) -> list[str]:
        """Have the server read what is new, by schedules that never fire.

        Returns:
            What to warn of.

        Raises:
            ConfigurationError: it refuses some; all are named.
        """
        problems, warnings = list[str](), list[str]()
        for w in wanted:
            try:
                async with self._tried(w) as identity:
                    found = await self._client.get_schedule_handle(identity).describe()
            except RPCError as error:
                if error.status != RPCStatusCode.INVALID_ARGUMENT:
                    raise
                problems.append(f"The {w.what} {w.name!r}: {_reason(error)}.")
                continue
            if not found.info.next_action_times:
                warnings.append(f"{w.name}: {w.cron!r} has no time at all.")
        if problems:
            raise ConfigurationError(problems=problems)
        return warnings

    @asynccontextmanager
    async def _tried(self, wanted: Wanted) -> AsyncGenerator[str]:
        """Have a schedule of the same times for a moment, exact and never fired."""
        identity = f"{self._prefix}{_CHECK}/{new_id()}"
        await self._create(
            identity,
            Kept(
                action=wanted.kept.action,
                spec=replace(wanted.kept.spec, jitter=None),
                state=ScheduleState(
                    paused=True, limited_actions=True, remaining_actions=1
                ),
            ),
        )
        try:
            yield identity
        finally:
            await self._delete(identity)

    async def _put(self, wanted: Wanted) -> None:
        """Create a schedule, or update the one that is there but for its pause."""

        def update(found: ScheduleUpdateInput) -> ScheduleUpdate:
            wanted.kept.state = found.description.schedule.state
            return ScheduleUpdate(schedule=wanted.kept)

        try:
            await self._create(wanted.id, wanted.kept)
        except ScheduleAlreadyRunningError:
            await self._client.get_schedule_handle(wanted.id).update(update)

    async def _create(self, identity: str, kept: Kept) -> ScheduleHandle:
        memo = {_MEMO_APP: self._toolbox.name}
        action = cast("ScheduleActionStartWorkflow", kept.action)
        if not self._attributes:
            action.typed_search_attributes = TypedSearchAttributes.empty
        try:
            return await self._client.create_schedule(identity, kept, memo=memo)
        except RPCError as error:
            if not (self._attributes and "search attribute" in str(error)):
                raise
            # As where runs are started: they go on without, and `doctor` tells.
            self._attributes = False
            return await self._create(identity, kept)

    async def _delete(self, identity: str) -> None:
        try:
            await self._client.get_schedule_handle(identity).delete()
        except RPCError as error:
            # Another apply has been first.
            if error.status != RPCStatusCode.NOT_FOUND:
                raise

    # --- looking and steering -------------------------------------------------------

    async def placed(self, what: What) -> dict[str, Placed]:
        """Describe what the server has of what is declared."""
        found: dict[str, Placed] = {}
        for wanted in self._wanted():
            if wanted.what != what:
                continue
            there = await self._describe(wanted.id)
            if there is not None and await self._is_own(there):
                found[wanted.name] = await self._placed(wanted, there)
        return found

    async def _placed(self, wanted: Wanted, there: ScheduleDescription) -> Placed:
        info, state = there.info, there.schedule.state
        facts = await self._facts(there)
        return Placed(
            paused=state.paused,
            note=state.note or "",
            next=() if state.paused else tuple(info.next_action_times[:_SHOWN]),
            fired=info.num_actions,
            skipped=info.num_actions_skipped_overlap,
            missed=info.num_actions_missed_catchup_window,
            running=len(info.running_actions),
            agrees=not differences(facts, declared(wanted)),
        )

    async def pause(self, what: What, name: str, reason: str) -> None:
        """Pause it, with a note that people see."""
        await (await self._handle(what, name)).pause(note=reason or "paused")

    async def resume(self, what: What, name: str, reason: str) -> None:
        """Resume it."""
        await (await self._handle(what, name)).unpause(note=reason or "resumed")

    async def backfill(
        self, name: str, start: datetime, end: datetime, overlap: Overlap
    ) -> list[datetime]:
        """Have the server fire for each time of a stretch that has passed."""
        handle = await self._handle("schedule", name)
        # Some of the server's verbs leave the beginning out: no time is in between.
        start -= timedelta(milliseconds=1)
        wanted = next(w for w in self._wanted() if w.id == handle.id)
        async with self._tried(wanted) as exact:
            fires = await self._fires(exact, start, end)
        if len(fires) >= _MOST_FIRES:
            raise RunError(
                reason=f"The schedule {name!r} has {_MOST_FIRES} fires or more between "
                f"{start.isoformat()} and {end.isoformat()}, and Temporal drops what "
                "is more: take shorter stretches, or make the partitions by "
                "`stone.backfill`."
            )
        if fires:
            await handle.backfill(
                ScheduleBackfill(
                    start_at=start.astimezone(UTC),
                    end_at=end.astimezone(UTC),
                    overlap=overlap_policy(overlap),
                )
            )
        return fires

    async def _fires(
        self, identity: str, start: datetime, end: datetime
    ) -> list[datetime]:
        """Ask the server which times a schedule has between two."""
        request = ListScheduleMatchingTimesRequest(
            namespace=self._client.namespace, schedule_id=identity
        )
        request.start_time.FromDatetime(start.astimezone(UTC))
        request.end_time.FromDatetime(end.astimezone(UTC))
        service = self._client.workflow_service
        found = await service.list_schedule_matching_times(request)
        return [t.ToDatetime(UTC) for t in found.start_time]

    async def _handle(self, what: What, name: str) -> ScheduleHandle:
        identity = self._id(what, name)
        known = any(w.id == identity for w in self._wanted())
        found = await self._describe(identity) if known else None
        if found is None or not await self._is_own(found):
            raise UnknownSchedule(name=name, what=what)
        return self._client.get_schedule_handle(identity)

    async def _describe(self, identity: str) -> ScheduleDescription | None:
        try:
            return await self._client.get_schedule_handle(identity).describe()
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
            return None

    @property
    def _prefix(self) -> str:
        return prefix_of(self._toolbox.name)

    def _id(self, what: What, name: str) -> str:
        return f"{self._prefix}{what}/{name}"


def _reason(error: RPCError) -> str:
    return " ".join(error.message.split()).rstrip(".")
