"""The app: a pipeline and the infrastructure it runs on, put together in one place."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flowstone.core import schedule, sensor
from flowstone.core.errors import ConfigurationError, NotSupported
from flowstone.core.pipeline import Pipeline
from flowstone.core.schedule import Schedule
from flowstone.core.sensor import Sensor
from flowstone.resources import overridden, problems_of
from flowstone.settings import Secrets

if TYPE_CHECKING:
    from flowstone.io.base import IOManager
    from flowstone.ledger.sql import SqlLedger
    from flowstone.opening import Opening

__all__ = ["Flowstone"]

_NAME = re.compile(r"[a-z][a-z0-9_-]*")


class Flowstone:
    """A pipeline with a name, and what it runs on.

    What is left out is read from the environment, then had from an embedded default.

    Args:
        name: part of every id and key: `[a-z][a-z0-9_-]*`.
        pipeline: its assets.
        io: its IO managers by name; `default` keeps what asks for no other.
        ledger: where facts go.
        resources: what assets share, by name: see `Resource`.
        schedules: what the clock starts; `schedules.apply()` has Temporal agree.
        sensors: what news starts; likewise.
        secrets: keys that sign the tokens of gates.

    Raises:
        ConfigurationError: all that is wrong, at once.

    Example:
        >>> from flowstone import Flowstone, Pipeline, asset
        >>> @asset
        ... def greeting() -> str:
        ...     return "Hello"
        >>> app = Flowstone("hello", Pipeline(greeting))
        >>> with app.local().sync() as stone:
        ...     stone.materialize(greeting).result()
        'Hello'
    """

    def __init__(
        self,
        name: str,
        pipeline: Pipeline,
        *,
        io: Mapping[str, IOManager] | None = None,
        ledger: SqlLedger | None = None,
        limits: Mapping[str, object] | None = None,
        resources: Mapping[str, object] | None = None,
        schedules: Sequence[Schedule] = (),
        sensors: Sequence[Sensor] = (),
        secrets: Secrets | None = None,
    ) -> None:
        if limits:
            raise NotSupported(what="Flowstone(limits=...)")
        self.name = name
        self.pipeline = pipeline
        self.io = dict(io or {})
        self.ledger = ledger
        self.resources = dict(resources or {})
        self.schedules = tuple(schedules)
        self.sensors = tuple(sensors)
        self.secrets = secrets
        problems = self._problems()
        if problems:
            raise ConfigurationError(problems=problems)

    def __repr__(self) -> str:
        return f"<app {self.name!r} of {len(self.pipeline)} assets>"

    def _problems(self) -> list[str]:
        problems: list[str] = []
        if not _NAME.fullmatch(self.name):
            problems.append(
                f"The app's name {self.name!r} must be lower case: a letter, then "
                "letters, digits, - and _."
            )
        known = {*self.io, "default"}
        for asset in self.pipeline:
            wanted = asset.options.io
            if wanted not in known:
                names = ", ".join(repr(k) for k in sorted(known))
                problems.append(
                    f"{asset.name!r} wants the IO manager {wanted!r}, which the app "
                    f"does not have; it has {names}. Add it to io={{...}}."
                )
        return [
            *problems,
            *problems_of(self.pipeline, self.resources),
            *schedule.problems_of(self.pipeline, self.schedules),
            *sensor.problems_of(self.pipeline, self.sensors),
        ]

    def local(
        self,
        path: str | Path | None = None,
        *,
        resources: Mapping[str, object] | None = None,
        packs: bool | str = True,
        actor: str = "",
    ) -> Opening:
        """Open it in this process, without any server.

        Args:
            path: a folder to keep everything in; by default nothing is kept.
            resources: what replaces resources of the app, by name, until it is closed:
                others, or anything that assets are to be given as it is.
            packs: whether assets share a step; `False` gives each its own.
            actor: who asks, for the audit log; by default `FLOWSTONE_ACTOR`.

        Raises:
            ConfigurationError: a resource replaces none, or does not fit its assets.
        """
        # Declaring an app costs nothing; opening it loads what it runs on.
        from flowstone.opening import open_local  # noqa: PLC0415

        lent = overridden(self.pipeline, self.resources, resources)
        return open_local(self, path, resources=lent, packs=packs, actor=actor)

    def connect(
        self,
        address: str | None = None,
        *,
        namespace: str | None = None,
        profile: str | None = None,
        packs: bool | str = True,
        actor: str = "",
    ) -> Opening:
        """Open it on Temporal, where workers serve it.

        Args:
            address: Temporal's; by default as `temporalio.envconfig` finds it.
            namespace: Temporal's; likewise.
            profile: which one of Temporal's configuration file to take both, TLS and
                the API key from; by default `TEMPORAL_PROFILE`.
            packs: whether assets share an activity; `False` gives each its own.
            actor: who asks, for the audit log; by default `FLOWSTONE_ACTOR`.

        Raises:
            ConfigurationError: what it runs on lives in one process, or does not
                answer; all problems at once.
        """
        # As in local().
        from flowstone.opening import At, open_connected  # noqa: PLC0415

        at = At(address=address, namespace=namespace, profile=profile)
        return open_connected(self, at, packs=packs, actor=actor)
