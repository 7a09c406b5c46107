"""The client: the verbs of an app."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, replace
from hashlib import sha256
from typing import Any, Literal, TypeAlias, TypeVar, overload

from flowstone.core.asset import Asset
from flowstone.core.errors import (
    AlreadyRunning,
    BadPartition,
    NotSupported,
    RunError,
    ValueNotFound,
)
from flowstone.core.messages import Request
from flowstone.core.outcome import Approval, Signal, Skip, Snooze
from flowstone.core.partition import NONE, PartitionKey
from flowstone.core.pipeline import AnyAsset, Pipeline
from flowstone.core.ref import Key
from flowstone.core.space import Space
from flowstone.engines.ports import Backend, flow_of
from flowstone.ledger.base import RunRow, Version
from flowstone.ledger.ids import new_id
from flowstone.ledger.rows import dump
from flowstone.run import BackfillReport, Run
from flowstone.steps.points import reach
from flowstone.steps.shelf import stored_of
from flowstone.steps.toolbox import Toolbox
from flowstone.views import AssetStatus, Audit, Gates, Lineage, Runs, status_of

__all__ = ["Client", "Packs", "Policy", "Suspended"]

T = TypeVar("T")
Policy = Literal["always", "missing", "stale"]
Packs = Literal["auto", "off", "whole"]
"""How assets share an activity."""
Suspended: TypeAlias = Approval[T] | Signal[T] | Skip | Snooze
"""What an asset may return before there is a value, or instead of one."""


class Client:
    """What one may ask of an app; had from `app.local()` or `app.connect()`.

    Its nouns hold their verbs: `runs`, `lineage`, `gates`, `audit`.

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
        packs: Packs = "auto",
        budget: int = 200,
    ) -> None:
        self._toolbox = toolbox
        self._backend = backend
        self._actor = actor
        self._packs: Packs = packs
        self._budget = budget
        self._stack = AsyncExitStack()
        self.lineage = Lineage(toolbox)
        self.gates = Gates(toolbox, backend, actor)
        self.audit = Audit(toolbox)
        self.runs = Runs(toolbox, self._run_of)

    @property
    def pipeline(self) -> Pipeline:
        """The app's assets."""
        return self._toolbox.pipeline

    # --- making ---------------------------------------------------------------------

    @overload
    async def materialize(
        self,
        asset: Asset[..., Coroutine[Any, Any, Suspended[T]]],
        partition: Key | None = None,
        *,
        policy: Policy = ...,
        key: str | None = None,
    ) -> Run[T]: ...
    @overload
    async def materialize(
        self,
        asset: Asset[..., Coroutine[Any, Any, T | Suspended[T]]],
        partition: Key | None = None,
        *,
        policy: Policy = ...,
        key: str | None = None,
    ) -> Run[T]: ...
    @overload
    async def materialize(
        self,
        asset: Asset[..., Suspended[T]],
        partition: Key | None = None,
        *,
        policy: Policy = ...,
        key: str | None = None,
    ) -> Run[T]: ...
    @overload
    async def materialize(
        self,
        asset: Asset[..., T | Suspended[T]],
        partition: Key | None = None,
        *,
        policy: Policy = ...,
        key: str | None = None,
    ) -> Run[T]: ...
    @overload
    async def materialize(
        self,
        asset: str,
        partition: Key | None = None,
        *,
        policy: Policy = ...,
        key: str | None = None,
    ) -> Run[object]: ...
    async def materialize(
        self,
        asset: AnyAsset | str,
        partition: Key | None = None,
        *,
        policy: Policy = "missing",
        key: str | None = None,
    ) -> Run[Any]:
        """Make one asset; what it needs must exist.

        Args:
            asset: the asset, or its name.
            partition: its key.
            policy: when a value that exists is made again.
            key: yours for this request: the same one later gives the same run.

        Returns:
            The run; the one that does the same already, where there is one.

        Raises:
            UnknownAsset: the pipeline has no such asset.
            BadPartition: the key is of no supported type, or not in the asset's space.
            AlreadyRunning: the asset is being made, asked for differently.
            NotSupported: a policy that is not built yet.
        """
        request = self._request("materialize", asset, partition, policy)
        return await self._start(request, [request.key or NONE.text], key)

    @overload
    async def materialize_all(
        self,
        asset: Asset[..., Coroutine[Any, Any, Suspended[T]]],
        partition: Key | None = None,
        *,
        policy: Policy = ...,
        key: str | None = None,
    ) -> Run[T]: ...
    @overload
    async def materialize_all(
        self,
        asset: Asset[..., Coroutine[Any, Any, T | Suspended[T]]],
        partition: Key | None = None,
        *,
        policy: Policy = ...,
        key: str | None = None,
    ) -> Run[T]: ...
    @overload
    async def materialize_all(
        self,
        asset: Asset[..., Suspended[T]],
        partition: Key | None = None,
        *,
        policy: Policy = ...,
        key: str | None = None,
    ) -> Run[T]: ...
    @overload
    async def materialize_all(
        self,
        asset: Asset[..., T | Suspended[T]],
        partition: Key | None = None,
        *,
        policy: Policy = ...,
        key: str | None = None,
    ) -> Run[T]: ...
    @overload
    async def materialize_all(
        self,
        asset: str,
        partition: Key | None = None,
        *,
        policy: Policy = ...,
        key: str | None = None,
    ) -> Run[object]: ...
    async def materialize_all(
        self,
        asset: AnyAsset | str,
        partition: Key | None = None,
        *,
        policy: Policy = "missing",
        key: str | None = None,
    ) -> Run[Any]:
        """Make one asset and all that it needs, each once.

        Arguments, returns and errors are those of `materialize`.
        """
        request = self._request("materialize_all", asset, partition, policy)
        return await self._start(request, [request.key or NONE.text], key)

    async def backfill(
        self,
        asset: AnyAsset | str,
        partitions: Iterable[Key] | Space | None = None,
        *,
        max_parallel: int = 4,
        policy: Policy = "missing",
        on_failure: Literal["continue", "stop"] = "continue",
        key: str | None = None,
    ) -> Run[BackfillReport]:
        """Make one asset, with all that it needs, at many keys.

        Args:
            asset: the asset, or its name.
            partitions: the keys; by default all of the asset's space.
            max_parallel: how many partitions are worked on at once.
            policy: when a value that exists is made again.
            on_failure: whether it goes on when a partition has failed.
            key: yours for this request: the same one later gives the same run.

        Returns:
            The run; its result counts and names each outcome.

        Raises:
            BadPartition: a key is not supported, or there is none.
        """
        found = self.pipeline[asset]
        if max_parallel < 1:
            raise RunError(reason="max_parallel must be at least 1.")
        if on_failure not in {"continue", "stop"}:
            raise NotSupported(
                what=f"on_failure={on_failure!r}", instead="Use 'continue' or 'stop'."
            )
        keys = self._keys(found, partitions)
        request = replace(
            self._request("backfill", found, None, policy, checked=True),
            keys=len(keys),
            parallel=max_parallel,
            on_failure=on_failure,
        )
        return await self._start(request, keys, key)

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
            self._check(asset.name, one, upstream=True)
        return [k.text for k in keys]

    def _request(
        self,
        verb: Literal["materialize", "materialize_all", "backfill"],
        asset: AnyAsset | str,
        partition: Key | None,
        policy: Policy,
        *,
        checked: bool = False,
    ) -> Request:
        if policy not in {"always", "missing"}:
            raise NotSupported(
                what=f"policy={policy!r}", instead="Use 'missing' or 'always'."
            )
        found = self.pipeline[asset]
        key = PartitionKey.of(partition)
        if not checked:
            self._check(found.name, key, upstream=verb != "materialize")
        return Request(
            run=new_id(),
            verb=verb,
            pipeline=self._toolbox.name,
            asset=found.name,
            key="" if key.is_none else key.text,
            policy=policy,
            packs=self._packs,
            budget=self._budget,
        )

    def _check(self, name: str, key: PartitionKey, *, upstream: bool) -> None:
        self.pipeline.check_key(name, key)
        if not upstream:
            return
        for other in self.pipeline.ancestors(name):
            self.pipeline.check_key(other, self.pipeline.key_of(other, key))

    async def _start(
        self, request: Request, keys: Sequence[str], user_key: str | None
    ) -> Run[Any]:
        row = RunRow(
            request=request,
            workflow=_workflow_id(request, keys),
            keys=keys,
            request_hash=_request_hash(request, keys),
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
                return self._run_of(known)
            row = known
        return self._run_of(await self._begin(row))

    async def _begin(self, row: RunRow) -> RunRow:
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

    # --- asking ---------------------------------------------------------------------

    async def value(
        self,
        asset: AnyAsset | str,
        partition: Key | None = None,
        version: str | None = None,
    ) -> Any:
        """Load a stored value, as the asset's annotation has it.

        Args:
            asset: the asset, or its name.
            partition: its key.
            version: the version; by default the one that readers see now.

        Raises:
            ValueNotFound: there is none.
        """
        found = self.pipeline[asset]
        key = self._key(found, partition)
        known = await asyncio.to_thread(
            self._toolbox.ledger.catalog.version,
            f"{self._toolbox.name}/{found.name}",
            key.text,
            version,
        )
        if known is None:
            raise ValueNotFound(asset=found.name, partition=key.text)
        return await asyncio.to_thread(self._load, found, known)

    def _load(self, asset: AnyAsset, version: Version) -> object:
        manager = self._toolbox.io[version.io]
        return manager.load(stored_of(version), asset.hints.returns)

    async def exists(self, asset: AnyAsset | str, partition: Key | None = None) -> bool:
        """Tell whether there is a value; one that is `None` is a value."""
        found = self.pipeline[asset]
        key = self._key(found, partition)
        name = f"{self._toolbox.name}/{found.name}"
        catalog = self._toolbox.ledger.catalog
        return await asyncio.to_thread(catalog.version, name, key.text) is not None

    async def invalidate(
        self,
        asset: AnyAsset | str,
        partition: Key | None = None,
        *,
        cascade: bool = False,
    ) -> int:
        """Take a value away from its readers; its versions stay in the history.

        Args:
            asset: the asset, or its name.
            partition: its key.
            cascade: whether all that was made from it goes too.

        Returns:
            How many values went.

        Raises:
            AlreadyRunning: one of them is being made.
        """
        found = self.pipeline[asset]
        key = self._key(found, partition)
        gone = await asyncio.to_thread(
            lambda: self._toolbox.ledger.catalog.invalidate(
                f"{self._toolbox.name}/{found.name}",
                key.text,
                cascade=cascade,
                actor=self._actor,
            )
        )
        return len(gone)

    async def status(
        self, asset: AnyAsset | str, partition: Key | None = None
    ) -> AssetStatus:
        """Tell how an asset stands at a key."""
        found = self.pipeline[asset]
        key = self._key(found, partition)
        return await asyncio.to_thread(status_of, self._toolbox, found.name, key.text)

    def _key(self, asset: AnyAsset, partition: Key | None) -> PartitionKey:
        key = PartitionKey.of(partition)
        self.pipeline.check_key(asset.name, key)
        return key

    # --- the rest -------------------------------------------------------------------

    def _run_of(self, row: RunRow) -> Run[Any]:
        return Run(self._toolbox, self._backend, row)

    async def plan(self, *_: object, **__: object) -> object:
        """Refuse: plans as an answer are not built yet."""
        raise NotSupported(what="plan(...)")

    @property
    def approvals(self) -> object:
        """Refuse: approvals are not built yet."""
        raise NotSupported(what="approvals")

    @property
    def schedules(self) -> object:
        """Refuse: schedules are not built yet."""
        raise NotSupported(what="schedules")

    @property
    def sensors(self) -> object:
        """Refuse: sensors are not built yet."""
        raise NotSupported(what="sensors")

    async def health(self) -> object:
        """Refuse: health is not built yet."""
        raise NotSupported(what="health()")

    def closes(self, stack: AsyncExitStack) -> None:
        """Take over what is to be closed with it."""
        self._stack = stack

    async def close(self) -> None:
        """Let go of everything; runs in this process are cancelled."""
        await self._stack.aclose()

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _request_hash(request: Request, keys: Sequence[str]) -> str:
    """Give what two equal requests have in common."""
    said = asdict(request)
    for unsaid in ("run", "packs", "budget"):
        del said[unsaid]
    return sha256(dump([said, list(keys)]).encode()).hexdigest()[:32]


def _workflow_id(request: Request, keys: Sequence[str]) -> str:
    base = f"flowstone/{request.pipeline}/{request.asset}"
    if request.verb == "backfill":
        return f"{base}/backfill/{_request_hash(request, keys)[:12]}"
    key = PartitionKey(request.key or NONE.text)
    return base if key.is_none else f"{base}@{key.id_text}"
