"""The client: the verbs of an app."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from contextlib import AsyncExitStack
from typing import Any, Literal, TypeAlias, TypeVar, overload

from flowstone.core.asset import Asset
from flowstone.core.errors import NotSupported, ValueNotFound
from flowstone.core.health import Health
from flowstone.core.outcome import Approval, Signal, Skip, Snooze
from flowstone.core.partition import PartitionKey
from flowstone.core.pipeline import AnyAsset, Pipeline
from flowstone.core.policy import Freshness, Packs
from flowstone.core.ref import Key
from flowstone.core.space import Space
from flowstone.engines.ports import Backend
from flowstone.health import check_health
from flowstone.ledger.base import RunRow, Version
from flowstone.run import BackfillReport, Run
from flowstone.starting import Starter
from flowstone.steps.shelf import stored_of
from flowstone.steps.toolbox import Toolbox
from flowstone.views import (
    Approvals,
    AssetStatus,
    Audit,
    Bell,
    Gates,
    Lineage,
    Runs,
    Schedules,
    Sensors,
    status_of,
)

__all__ = ["Client", "Suspended"]

T = TypeVar("T")
Suspended: TypeAlias = Approval[T] | Signal[T] | Skip | Snooze
"""What an asset may return before there is a value, or instead of one."""


class Client:
    """What one may ask of an app; had from `app.local()` or `app.connect()`.

    Its nouns hold their verbs: `runs`, `lineage`, `approvals`, `gates`, `schedules`,
    `sensors`, `audit`, and `telemetry`, whose handlers are told of what this client's
    own process does.

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
        self._starter = Starter(
            toolbox, backend, actor=actor, packs=packs, budget=budget
        )
        self._stack = AsyncExitStack()
        self.lineage = Lineage(toolbox)
        bell = Bell(toolbox, backend)
        self.approvals = Approvals(toolbox, bell, actor)
        self.gates = Gates(toolbox, bell, actor)
        self.audit = Audit(toolbox)
        self.runs = Runs(toolbox, self._run_of)
        self.schedules = Schedules(
            toolbox, backend, actor, self._run_of, self._starter.begin
        )
        self.sensors = Sensors(toolbox, backend, actor)
        self.telemetry = toolbox.telemetry

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
        policy: Freshness = ...,
        key: str | None = None,
    ) -> Run[T]: ...
    @overload
    async def materialize(
        self,
        asset: Asset[..., Coroutine[Any, Any, T | Suspended[T]]],
        partition: Key | None = None,
        *,
        policy: Freshness = ...,
        key: str | None = None,
    ) -> Run[T]: ...
    @overload
    async def materialize(
        self,
        asset: Asset[..., Suspended[T]],
        partition: Key | None = None,
        *,
        policy: Freshness = ...,
        key: str | None = None,
    ) -> Run[T]: ...
    @overload
    async def materialize(
        self,
        asset: Asset[..., T | Suspended[T]],
        partition: Key | None = None,
        *,
        policy: Freshness = ...,
        key: str | None = None,
    ) -> Run[T]: ...
    @overload
    async def materialize(
        self,
        asset: str,
        partition: Key | None = None,
        *,
        policy: Freshness = ...,
        key: str | None = None,
    ) -> Run[object]: ...
    async def materialize(
        self,
        asset: AnyAsset | str,
        partition: Key | None = None,
        *,
        policy: Freshness = "missing",
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
        row = await self._starter.materialize(
            "materialize", self.pipeline[asset], partition, policy=policy, user_key=key
        )
        return self._run_of(row)

    @overload
    async def materialize_all(
        self,
        asset: Asset[..., Coroutine[Any, Any, Suspended[T]]],
        partition: Key | None = None,
        *,
        policy: Freshness = ...,
        key: str | None = None,
    ) -> Run[T]: ...
    @overload
    async def materialize_all(
        self,
        asset: Asset[..., Coroutine[Any, Any, T | Suspended[T]]],
        partition: Key | None = None,
        *,
        policy: Freshness = ...,
        key: str | None = None,
    ) -> Run[T]: ...
    @overload
    async def materialize_all(
        self,
        asset: Asset[..., Suspended[T]],
        partition: Key | None = None,
        *,
        policy: Freshness = ...,
        key: str | None = None,
    ) -> Run[T]: ...
    @overload
    async def materialize_all(
        self,
        asset: Asset[..., T | Suspended[T]],
        partition: Key | None = None,
        *,
        policy: Freshness = ...,
        key: str | None = None,
    ) -> Run[T]: ...
    @overload
    async def materialize_all(
        self,
        asset: str,
        partition: Key | None = None,
        *,
        policy: Freshness = ...,
        key: str | None = None,
    ) -> Run[object]: ...
    async def materialize_all(
        self,
        asset: AnyAsset | str,
        partition: Key | None = None,
        *,
        policy: Freshness = "missing",
        key: str | None = None,
    ) -> Run[Any]:
        """Make one asset and all that it needs, each once.

        Arguments, returns and errors are those of `materialize`.
        """
        row = await self._starter.materialize(
            "materialize_all",
            self.pipeline[asset],
            partition,
            policy=policy,
            user_key=key,
        )
        return self._run_of(row)

    async def backfill(
        self,
        asset: AnyAsset | str,
        partitions: Iterable[Key] | Space | None = None,
        *,
        max_parallel: int = 4,
        policy: Freshness = "missing",
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
        row = await self._starter.backfill(
            self.pipeline[asset],
            partitions,
            max_parallel=max_parallel,
            policy=policy,
            on_failure=on_failure,
            user_key=key,
        )
        return self._run_of(row)

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

    async def health(self, *, ledger_only: bool = False) -> Health:
        """Ask all that the app runs on how it is, from this process.

        The ledger, Temporal and who serves its queue, each IO manager, each resource:
        those that are not open are opened, as a worker would.

        Args:
            ledger_only: ask the ledger alone, which is all that an answer to a gate,
                or a decision, needs.
        """
        return await check_health(self._toolbox, self._backend, ledger_only=ledger_only)

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
