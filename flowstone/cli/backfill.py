"""Make one asset at many keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict, cast

import typer

from flowstone.cli.board import Board, make_board
from flowstone.cli.ending import FAILED, error_data, misuse
from flowstone.cli.keys import keys_between, keys_of, text_of
from flowstone.cli.live import follow
from flowstone.cli.loading import load
from flowstone.cli.outcomes import ended_data, failure_of, started_data
from flowstone.cli.parameters import (
    App,
    AsJson,
    AssetName,
    Local,
    NoWait,
    Policy,
    UserKey,
    check_waits,
)
from flowstone.cli.session import ask
from flowstone.cli.show import emit, say, table
from flowstone.core.errors import BadPartition, FlowstoneError
from flowstone.core.partition import PartitionKey

if TYPE_CHECKING:
    from flowstone.app import Flowstone
    from flowstone.client import Client
    from flowstone.core.policy import Freshness
    from flowstone.core.ref import Key
    from flowstone.run import BackfillReport, Outcome, Run

__all__ = ["backfill"]

First = Annotated[
    str | None, typer.Option("--from", metavar="TEXT", help="The first key.")
]
Last = Annotated[
    str | None, typer.Option("--to", metavar="TEXT", help="The last key, included.")
]
Listed = Annotated[
    str | None,
    typer.Option("--partitions", metavar="A,B,C", help="The keys, one by one."),
]
MaxParallel = Annotated[
    int, typer.Option("--max-parallel", min=1, help="How many keys at once.")
]
OnFailure = Annotated[
    str,
    typer.Option(
        "--on-failure",
        metavar="continue|stop",
        help="Whether it goes on when a key has failed.",
    ),
]


class _Row(TypedDict):
    """What became of one partition."""

    partition: str | None
    outcome: str
    error: dict[str, object] | None


_Answer = tuple[dict[str, object], "FlowstoneError | None"]

_WORDS = {"produced": "made", "upstream_failed": "failed, as what it needs did"}
_HAVE_REPORTS = {"succeeded", "skipped", "failed"}
_SHOWN = 100


def backfill(
    app: App,
    asset: AssetName,
    first: First = None,
    last: Last = None,
    partitions: Listed = None,
    max_parallel: MaxParallel = 4,
    policy: Policy = "missing",
    on_failure: OnFailure = "continue",
    key: UserKey = None,
    local: Local = None,
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Make one asset, with all that it needs, at many keys.

    Which ones: from --from to --to, those of --partitions, or all of the asset's own.
    """
    check_waits(no_wait=no_wait, local=local)
    owner = load(app)
    keys = _keys(owner, asset, first, last, partitions)

    async def make(stone: Client) -> _Answer:
        run = await stone.backfill(
            asset,
            keys,
            max_parallel=max_parallel,
            policy=cast("Freshness", policy),  # the client refuses others
            on_failure=cast("Literal['continue', 'stop']", on_failure),
            key=key,
        )
        if no_wait:
            return started_data(run, await run.status()), None
        board = make_board(asset, quiet=as_json)
        look = _speaker(run, board)
        outcome = await follow(run, board, app=app, local=local is not None, look=look)
        return await _ended(run, outcome, keys), failure_of(outcome)

    _conclude(*ask(owner, local, make), as_json=as_json)


def _keys(
    owner: Flowstone,
    asset: str,
    first: str | None,
    last: str | None,
    partitions: str | None,
) -> list[Key]:
    space = owner.pipeline[asset].options.partitions
    if partitions is not None:
        if first is not None or last is not None:
            what = "say which keys in one of the two ways"
            raise misuse(what, "--partitions", "--from", "--to")
        found = keys_of(partitions)
    elif first is not None or last is not None:
        found = keys_between(space, first, last)
    elif space is None or owner.pipeline[asset].is_single:
        raise BadPartition(
            partition=repr(asset),
            reason="it declares no space of keys; use --from and --to, or "
            "--partitions.",
        )
    else:
        found = list(space.keys())
    known = {PartitionKey.of(one).text: one for one in found}
    return list(known.values())


def _speaker(run: Run[Any], board: Board) -> Callable[[], Awaitable[None]]:
    """Say once of each partition what became of its target."""
    said: dict[str, str] = {}

    async def look() -> None:
        for event in await run.events():
            ended = event.name.rpartition(".")[2] in {"stop", "exception"}
            known = said.get(event.key) == event.outcome
            if ended and event.asset == run.asset and event.key != "-" and not known:
                said[event.key] = event.outcome
                word = _WORDS.get(event.outcome, event.outcome)
                board.say(f"{event.key}: {word}")

    return look


async def _ended(
    run: Run[BackfillReport], outcome: Outcome, keys: Sequence[Key]
) -> dict[str, object]:
    rows: list[_Row] = []
    if outcome.status in _HAVE_REPORTS:
        report = await run.result()
        # In the order in which they were asked for: the report's own keys may be of
        # other types, such as pairs for named dimensions.
        for key, (at, word) in zip(keys, report.outcomes.items(), strict=True):
            error = report.errors.get(at)
            rows.append(
                {
                    "partition": text_of(key),
                    "outcome": word,
                    "error": None if error is None else error_data(error),
                }
            )
    return {**ended_data(run, outcome), "partitions": rows}


def _conclude(
    data: dict[str, object], failure: FlowstoneError | None, *, as_json: bool
) -> None:
    if as_json:
        emit(data)
        raise typer.Exit(0 if failure is None else FAILED)
    _show(data)
    if failure is not None:
        raise failure


def _show(data: Mapping[str, object]) -> None:
    if "partitions" not in data:
        say(str(data["run_id"]))
        return
    rows = cast("Sequence[_Row]", data["partitions"])
    shown = [row for place, row in enumerate(rows) if place < _SHOWN or row["error"]]
    table(
        ["partition", "outcome", "error"],
        [
            [row["partition"], row["outcome"], (row["error"] or {}).get("message")]
            for row in shown
        ],
    )
    if len(rows) > len(shown):
        say(f"... and {len(rows) - len(shown)} more, none of which failed")
    counted = Counter(row["outcome"] for row in rows)
    said = ", ".join(f"{n} {word}" for word, n in counted.most_common())
    say(f"{said or 'nothing'}, run {data['run_id']}")
