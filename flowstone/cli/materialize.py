"""Make one asset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from flowstone.cli.board import make_board
from flowstone.cli.keys import key_of
from flowstone.cli.live import follow
from flowstone.cli.loading import load
from flowstone.cli.outcomes import conclude, started_data
from flowstone.cli.parameters import (
    App,
    AsJson,
    AssetName,
    Local,
    NoWait,
    Partition,
    Policy,
    UserKey,
    check_waits,
)
from flowstone.cli.session import ask
from flowstone.cli.show import cell, emit, say
from flowstone.core.partition import PartitionKey

if TYPE_CHECKING:
    from flowstone.client import Client
    from flowstone.core.policy import Freshness
    from flowstone.run import Outcome, Run

__all__ = ["materialize"]

Everything = Annotated[
    bool,
    typer.Option(
        "--all/--only",
        help="With all that it needs, or it alone: what it needs must exist.",
    ),
]
WithValue = Annotated[bool, typer.Option("--value", help="Print its value, as JSON.")]


def materialize(
    app: App,
    asset: AssetName,
    partition: Partition = None,
    everything: Everything = True,
    policy: Policy = "missing",
    key: UserKey = None,
    value: WithValue = False,
    local: Local = None,
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Make one asset, and follow its run until it ends.

    Ctrl-C detaches, and the run goes on; with --local it is cancelled.
    """
    check_waits(no_wait=no_wait, local=local)
    owner, at = load(app), key_of(partition)
    owner.pipeline.check_key(owner.pipeline[asset].name, PartitionKey.of(at))

    async def make(stone: Client) -> tuple[Run[Any], Outcome | None, object]:
        verb = stone.materialize_all if everything else stone.materialize
        word = cast("Freshness", policy)  # the client refuses others
        run = await verb(asset, at, policy=word, key=key)
        if no_wait:
            return run, None, started_data(run, await run.status())
        board = make_board(cell(asset, partition), quiet=as_json)
        outcome = await follow(run, board, app=app, local=local is not None)
        wanted = value and outcome.status == "succeeded"
        return run, outcome, await run.result() if wanted else None

    run, outcome, found = ask(owner, local, make)
    if outcome is not None:
        conclude(run, outcome, as_json=as_json, value=found, with_value=value)
    elif as_json:
        emit(found)
    else:
        say(run.id)
