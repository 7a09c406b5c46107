"""Look after an app: how everything it runs on is, and what is left behind."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from flowstone.cli.ending import FAILED, misuse
from flowstone.cli.garbage import collect, collected_data, say_collected
from flowstone.cli.loading import load
from flowstone.cli.parameters import Address, App, AsJson, Local, Namespace, Profile
from flowstone.cli.session import ask
from flowstone.cli.show import emit, say, table

if TYPE_CHECKING:
    from flowstone.app import Flowstone
    from flowstone.core.health import Component, Health
    from flowstone.opening import At

__all__ = ["doctor"]

Register = Annotated[
    bool,
    typer.Option(
        "--register",
        help="Create the search attributes FlowstoneAsset and FlowstonePartition.",
    ),
]
Gc = Annotated[
    bool,
    typer.Option(
        "--gc",
        help="Find objects of attempts that ended without a version; delete nothing.",
    ),
]
Delete = Annotated[
    bool, typer.Option("--delete", help="With --gc: delete what is found.")
]


def doctor(
    app: App,
    register: Register = False,
    gc: Gc = False,
    delete: Delete = False,
    address: Address = None,
    namespace: Namespace = None,
    profile: Profile = None,
    local: Local = None,
    as_json: AsJson = False,
) -> None:
    """Check each thing that an app runs on: what is wrong, and what to do.

    The exit status is 1 where something fails.
    """
    _refuse_nonsense(register=register, gc=gc, delete=delete, local=local)
    owner = load(app)
    from flowstone.opening import At

    at = At(address=address, namespace=namespace, profile=profile)
    created = _registered(at) if register else None
    health = _examined(owner, at, local)
    found = collect(owner, local, delete=delete) if gc and _can(health) else None
    if as_json:
        swept = {"garbage": found and collected_data(found)} if gc else {}
        named = {} if created is None else {"registered": created}
        emit({**health.to_data(), **named, **swept})
    else:
        _say_created(created)
        _say_health(health)
        if gc:
            say_collected(found)
    bad = not health.healthy or (found is not None and bool(found.problems))
    raise typer.Exit(FAILED if bad else 0)


def _refuse_nonsense(
    *, register: bool, gc: bool, delete: bool, local: str | None
) -> None:
    if delete and not gc:
        raise misuse("it says what --gc does with what it finds", "--delete")
    if register and local is not None:
        raise misuse("only Temporal has search attributes", "--register")
    if gc and local == "":
        raise misuse("nothing is kept; give the folder where it is", "--gc", "--local")


def _registered(at: At) -> list[str]:
    from flowstone.doctor import register_words

    return list(asyncio.run(register_words(at)))


def _examined(owner: Flowstone, at: At, local: str | None) -> Health:
    if local is not None:
        return ask(owner, local, lambda stone: stone.health())
    from flowstone.doctor import examine

    return asyncio.run(examine(owner, at))


def _can(health: Health) -> bool:
    """Tell whether the ledger is there to judge by."""
    return any(c.kind == "ledger" and c.state != "failing" for c in health)


def _say_created(created: list[str] | None) -> None:
    if created is not None:
        names = ", ".join(created) or "none were missing"
        say(f"search attributes created: {names}")


def _say_health(health: Health) -> None:
    table(
        ["what", "name", "state", "ms", "says"],
        [[c.kind, c.name, c.state, _millis(c), c.problem or c.detail] for c in health],
    )
    remedies = [f"{c}: {c.remedy}" for c in health if c.state != "ok" and c.remedy]
    for line in dict.fromkeys(remedies):
        say(line)


def _millis(component: Component) -> str | None:
    took = component.latency
    return None if took is None else f"{took.total_seconds() * 1000:.1f}"
