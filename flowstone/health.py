"""How all that an app runs on is: each thing is asked itself, all at once."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from datetime import timedelta

from flowstone.core.health import Component, Health
from flowstone.core.text import error_line
from flowstone.engines.ports import Backend
from flowstone.io.base import Checks
from flowstone.ledger.health import ledger_health
from flowstone.resources import CannotOpen
from flowstone.steps.toolbox import Toolbox

__all__ = [
    "check_health",
    "check_ledger",
    "check_managers",
    "check_resources",
    "in_time",
]

_SECONDS = 15.0


async def check_health(
    toolbox: Toolbox, backend: Backend, *, ledger_only: bool = False
) -> Health:
    """Ask the ledger, whatever drives runs, each IO manager and each resource.

    A resource that is not open is opened, as a worker would.
    """
    if ledger_only:
        return Health((await check_ledger(toolbox),))
    ledger, driving, managers, resources = await asyncio.gather(
        check_ledger(toolbox),
        backend.health(),
        check_managers(toolbox),
        check_resources(toolbox),
    )
    return Health((ledger, *driving, *managers, *resources))


async def check_ledger(toolbox: Toolbox) -> Component:
    """Ask the ledger."""
    about = Component(
        kind="ledger", name="ledger", remedy="Look at the database of the ledger."
    )
    return await in_time(lambda: ledger_health(toolbox.ledger.database), about)


async def check_managers(toolbox: Toolbox) -> Sequence[Component]:
    """Ask each IO manager."""
    return await asyncio.gather(
        *(
            in_time(lambda n=name: _manager(toolbox, n), _io(name))
            for name in toolbox.io
        )
    )


async def check_resources(
    toolbox: Toolbox, *, only_open: bool = False
) -> Sequence[Component]:
    """Ask each resource; with `only_open`, those that are open already."""
    resources = toolbox.resources
    names = resources.opened if only_open else resources.names
    return await asyncio.gather(
        *(in_time(lambda n=name: _resource(toolbox, n), _lent(name)) for name in names)
    )


def _io(name: str) -> Component:
    return Component(
        kind="io", name=name, remedy="Look at what the manager was given in io={...}."
    )


def _lent(name: str) -> Component:
    return Component(
        kind="resource",
        name=name,
        remedy="Look at what it was given in resources={...}, and at what it reaches.",
    )


def _manager(toolbox: Toolbox, name: str) -> Component:
    manager = toolbox.io[name]
    said = type(manager).__name__
    if not isinstance(manager, Checks):
        return replace(
            _io(name),
            state="unknown",
            detail=said,
            problem="it cannot be asked",
            remedy="Give the manager a check().",
        )
    manager.check()
    return Component(kind="io", name=name, detail=said)


def _resource(toolbox: Toolbox, name: str) -> Component:
    toolbox.resources.take([name])
    began = time.perf_counter()
    wrong = toolbox.resources.ask(name)
    took = timedelta(seconds=time.perf_counter() - began)
    if wrong:
        return replace(_lent(name), state="failing", latency=took, problem=wrong)
    return Component(kind="resource", name=name, latency=took, detail="open")


async def in_time(
    ask: Callable[[], Component], about: Component, seconds: float = _SECONDS
) -> Component:
    """Ask in a thread that nobody waits for longer than that.

    Args:
        ask: what asks; whatever it raises is what is wrong.
        about: of what, and what to do where it fails.
        seconds: how long it may take.
    """
    answer: Future[Component] = Future()

    def work() -> None:
        try:
            answer.set_result(ask())
        except BaseException as error:  # noqa: BLE001 - it is what is asked for
            answer.set_exception(error)

    began = time.perf_counter()
    threading.Thread(target=work, name="flowstone-health", daemon=True).start()
    waiting: Awaitable[Component] = asyncio.wrap_future(answer)
    try:
        found = await asyncio.wait_for(waiting, seconds)
    except TimeoutError:
        found = replace(about, state="failing", problem=f"no answer in {seconds:g} s")
    except Exception as error:  # noqa: BLE001 - likewise
        cause = error.__cause__ if isinstance(error, CannotOpen) else error
        found = replace(about, state="failing", problem=error_line(cause or error))
    if found.latency is not None:
        return found
    return replace(found, latency=timedelta(seconds=time.perf_counter() - began))
