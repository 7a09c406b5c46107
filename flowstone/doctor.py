"""The doctor: tells of each thing an app runs on, where some of them may be broken."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flowstone.core.errors import ConfigurationError
from flowstone.core.health import Component, Health
from flowstone.core.problems import Problems
from flowstone.engines.temporal import health as asking
from flowstone.engines.temporal.connect import Connection, enter, find_connection
from flowstone.engines.temporal.ids import task_queue
from flowstone.health import check_ledger, check_managers, check_resources
from flowstone.lodging import folder_at
from flowstone.opening import At, close_toolbox, local_toolbox, unchecked_toolbox
from flowstone.settings import Settings
from flowstone.steps.toolbox import Toolbox

if TYPE_CHECKING:
    from flowstone.app import Flowstone

__all__ = ["examine", "register_words", "toolbox_of"]


async def examine(app: Flowstone, at: At) -> Health:
    """Tell how everything is; what does not answer hides nothing else."""
    patient = _Patient.of(app, at)
    try:
        temporal, stores = await asyncio.gather(
            _temporal(app, patient.connection), _stores(patient.toolbox)
        )
    finally:
        if patient.toolbox is not None:
            await asyncio.to_thread(close_toolbox, patient.toolbox)
    return Health((*patient.settings, *stores[:1], *temporal, *stores[1:]))


async def register_words(at: At) -> Sequence[str]:
    """Create the search attributes; give those that were missing.

    Raises:
        ConfigurationError: Temporal does not answer, or does not let one.
    """
    client = await enter(find_connection(at.address, at.namespace, at.profile))
    return await asking.register(client)


@contextmanager
def toolbox_of(app: Flowstone, local: str | None) -> Generator[Toolbox]:
    """Open the ledger and the managers alone.

    Args:
        app: the app.
        local: the folder where it keeps everything; `None` for what is shared.

    Raises:
        ConfigurationError: something of it is not in order.
    """
    with folder_at(local) as folder:
        if local is None:
            toolbox = unchecked_toolbox(app)
        else:
            settings = Settings.from_env()
            toolbox = local_toolbox(app, folder, settings, {}, kept=True)
        try:
            toolbox.ledger.check()
            yield toolbox
        finally:
            close_toolbox(toolbox)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Patient:
    """What could be put together of what was said."""

    settings: Sequence[Component]
    toolbox: Toolbox | None
    connection: Connection | None

    @staticmethod
    def of(app: Flowstone, at: At) -> _Patient:
        problems = Problems()
        toolbox = problems.of(lambda: unchecked_toolbox(app))
        connection = problems.of(
            lambda: find_connection(at.address, at.namespace, at.profile)
        )
        wrong = [_setting("failing", problem) for problem in problems.found]
        wrong += [_setting("warning", name) for name in Settings.strangers()]
        return _Patient(
            settings=wrong or [Component(kind="settings", name="settings")],
            toolbox=toolbox,
            connection=connection,
        )


def _setting(state: str, problem: str) -> Component:
    return Component(
        kind="settings",
        name="settings",
        state="failing" if state == "failing" else "warning",
        problem=problem,
        remedy="`flowstone config` shows each setting and where it comes from.",
    )


async def _stores(toolbox: Toolbox | None) -> Sequence[Component]:
    if toolbox is None:
        return ()
    ledger, managers, resources = await asyncio.gather(
        check_ledger(toolbox), check_managers(toolbox), check_resources(toolbox)
    )
    return (ledger, *managers, *resources)


async def _temporal(
    app: Flowstone, connection: Connection | None
) -> Sequence[Component]:
    if connection is None:
        return ()
    try:
        client = await enter(connection)
    except ConfigurationError as error:
        return [
            Component(
                kind="temporal",
                name="temporal",
                state="failing",
                problem=error.message,
                remedy="Start it, or say where it is.",
            )
        ]
    return await asyncio.gather(
        asking.temporal_health(client),
        asking.attributes_health(client),
        asking.workers_health(client, task_queue(app.name)),
    )
