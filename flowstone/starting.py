"""Start runs: check what is asked for, write its row, hand it to what drives runs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal, TypeAlias

from flowstone.core.errors import (
    AlreadyRunning,
    BadPartition,
    NotSupported,
    RunError,
)
from flowstone.core.messages import Request
from flowstone.core.partition import NONE, PartitionKey
from flowstone.core.pipeline import AnyAsset
from flowstone.core.policy import Freshness, Packs
from flowstone.core.ref import Key
from flowstone.core.space import Space
from flowstone.engines.ports import Backend, flow_of
from flowstone.ledger.asked import request_hash
from flowstone.ledger.base import RunRow
from flowstone.ledger.ids import new_id
from flowstone.steps.points import reach
from flowstone.steps.toolbox import Toolbox

__all__ = ["Starter"]

Verb: TypeAlias = Literal["materialize", "materialize_all", "backfill"]


class Starter:
    """Starts what a client asks for, each thing once.

    Args:
        toolbox: the app's assets and infrastructure.
        backend: what drives its runs.
        actor: who asks, for the audit log.
        packs: how assets share an activity.
        budget: how long a pack may go on starting assets, in milliseconds.
    """

    def __init__(
        self,
        toolbox: Toolbox,
        backend: Backend,
        *,
        actor: str,
        packs: Packs,
        budget: int,
    ) -> None:
        self._toolbox = toolbox
        self._backend = backend
        self._actor = actor
        self._packs: Packs = packs
        self._budget = budget

    async def materialize(
        self,
        verb: Literal["materialize", "materialize_all"],
        asset: AnyAsset,
        partition: Key | None,
        *,
        policy: Freshness,
        user_key: str | None,
    ) -> RunRow:
        """Start the making of one asset at one key; give the run that goes on now."""
        key = PartitionKey.of(partition)
        upstream = verb == "materialize_all"
        self._toolbox.pipeline.check_keys(asset.name, key, upstream=upstream)
        request = replace(
            self._request(verb, asset, policy), key="" if key.is_none else key.text
        )
        return await self._start(request, [key.text], user_key)

    async def backfill(
        self,
        asset: AnyAsset,
        partitions: Iterable[Key] | Space | None,
        *,
        max_parallel: int,
        policy: Freshness,
        on_failure: Literal["continue", "stop"],
        user_key: str | None,
    ) -> RunRow:
        """Start a backfill; give the run that goes on now."""
        if max_parallel < 1:
            raise RunError(reason="max_parallel must be at least 1.")
        if on_failure not in {"continue", "stop"}:
            raise NotSupported(
                what=f"on_failure={on_failure!r}", instead="Use 'continue' or 'stop'."
            )
        keys = self._keys(asset, partitions)
        request = replace(
            self._request("backfill", asset, policy),
            keys=len(keys),
            parallel=max_parallel,
            on_failure=on_failure,
        )
        return await self._start(request, keys, user_key)

    # --- what is asked for ----------------------------------------------------------

    def _request(self, verb: Verb, asset: AnyAsset, policy: Freshness) -> Request:
        if policy not in {"always", "missing"}:
            raise NotSupported(
                what=f"policy={policy!r}", instead="Use 'missing' or 'always'."
            )
        return Request(
            run=new_id(),
            verb=verb,
            pipeline=self._toolbox.name,
            asset=asset.name,
            policy=policy,
            packs=self._packs,
            budget=self._budget,
        )

    def _keys(
        self, asset: AnyAsset, partitions: Iterable[Key] | Space | None
    ) -> list[str]:
        space = asset.options.partitions
        if partitions is None:
            if space is None or asset.is_single:
                raise BadPartition(
                    partition=repr(asset.name),
                    reason="it declares no space of keys; name the partitions.",
                )
            partitions = space
        listed = partitions.keys() if isinstance(partitions, Space) else partitions
        if isinstance(listed, str):
            raise BadPartition(
                partition=repr(listed), reason="give a list of partitions, not one."
            )
        keys = list(dict.fromkeys(PartitionKey.of(k) for k in listed))
        if not keys:
            raise BadPartition(partition="[]", reason="there is nothing to backfill.")
        for one in keys:
            self._toolbox.pipeline.check_keys(asset.name, one, upstream=True)
        return [k.text for k in keys]

    # --- starting -------------------------------------------------------------------

    async def _start(
        self, request: Request, keys: Sequence[str], user_key: str | None
    ) -> RunRow:
        row = RunRow(
            request=request,
            workflow=_workflow_id(request, keys),
            keys=keys,
            request_hash=request_hash(request, keys),
            user_key=user_key,
            actor=self._actor,
            owner=self._backend.owner,
        )
        runs = self._toolbox.ledger.runs
        known = await asyncio.to_thread(runs.begin, row)
        if known.id != row.id:
            if known.request_hash != row.request_hash:
                raise AlreadyRunning(
                    asset=request.asset,
                    partition=request.key or NONE.text,
                    run_id=known.id,
                    reason=f"under the key {user_key!r}, asked for differently",
                )
            if known.status != "starting":
                return known
            row = known
        return await self.begin(row)

    async def begin(self, row: RunRow) -> RunRow:
        """Start a run whose row is written; give the one that goes on now."""
        runs = self._toolbox.ledger.runs
        reach("start.before")
        try:
            run = await self._backend.start(flow_of(row), row)
        except AlreadyRunning as error:
            await asyncio.to_thread(runs.refuse, row.id, error.message)
            raise
        reach("start.after")
        if run == row.id:
            return row
        await asyncio.to_thread(lambda: runs.forget(row.id, into=run))
        joined = await asyncio.to_thread(runs.get, run)
        return joined or replace(row, request=replace(row.request, run=run))


def _workflow_id(request: Request, keys: Sequence[str]) -> str:
    base = f"flowstone/{request.pipeline}/{request.asset}"
    if request.verb == "backfill":
        return f"{base}/backfill/{request_hash(request, keys)[:12]}"
    key = PartitionKey(request.key or NONE.text)
    return base if key.is_none else f"{base}@{key.id_text}"
