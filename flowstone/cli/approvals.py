"""Values that wait for somebody's decision."""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from flowstone.cli.ending import misuse
from flowstone.cli.loading import load
from flowstone.cli.parameters import App, AsJson, Local
from flowstone.cli.session import ask
from flowstone.cli.show import emit, say, table
from flowstone.core.partition import PartitionKey

if TYPE_CHECKING:
    from flowstone.client import Client
    from flowstone.views import ApprovalEntry

__all__ = ["approve", "escalate", "list_approvals", "recompute", "reject"]

Id = Annotated[
    str,
    typer.Argument(
        metavar="ID", help="As `flowstone approvals list` has it.", show_default=False
    ),
]
Filter = Annotated[
    str | None,
    typer.Option("--asset", metavar="NAME", help="Only those of this asset."),
]
Comment = Annotated[
    str, typer.Option("--comment", metavar="TEXT", help="What to say with it.")
]
Reason = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help="Why; its asset fails with it.")
]
Edits = Annotated[
    str | None,
    typer.Option(
        "--edits",
        metavar="JSON",
        help="The value to publish in its place; - reads stdin.",
        show_default=False,
    ),
]
To = Annotated[
    str,
    typer.Option("--to", metavar="WHO", help="Who is to decide.", show_default=False),
]


def list_approvals(
    app: App, asset: Filter = None, local: Local = None, as_json: AsJson = False
) -> None:
    """List what waits for a decision, the oldest first."""
    found = ask(load(app), local, lambda stone: stone.approvals.list(asset=asset))
    if as_json:
        emit([_data(one) for one in found])
        return
    table(
        ["approval", "asset", "partition", "message", "opened", "deadline", "then"],
        [
            [
                one.id,
                one.asset,
                _key(one),
                one.message,
                one.opened_at,
                one.deadline,
                one.on_timeout if one.deadline else None,
            ]
            for one in found
        ],
    )


def approve(
    app: App,
    approval: Id,
    comment: Comment = "",
    edits: Edits = None,
    local: Local = None,
    as_json: AsJson = False,
) -> None:
    """Have a value published, as it is or with edits."""
    value = None if edits is None else _read(edits)
    if edits is not None and value is None:
        what = "nothing is no value to publish; reject it, or approve it as it is"
        raise misuse(what, "--edits")
    _decide(
        app,
        local,
        as_json,
        lambda stone: stone.approvals.approve(approval, comment=comment, edits=value),
    )


def reject(
    app: App,
    approval: Id,
    reason: Reason = "",
    local: Local = None,
    as_json: AsJson = False,
) -> None:
    """Have the asset fail, and what needs it not be made."""
    _decide(
        app,
        local,
        as_json,
        lambda stone: stone.approvals.reject(approval, reason=reason),
    )


def escalate(
    app: App, approval: Id, to: To, local: Local = None, as_json: AsJson = False
) -> None:
    """Have somebody else asked, with a new deadline of the same length."""
    _decide(
        app, local, as_json, lambda stone: stone.approvals.escalate(approval, to=to)
    )


def recompute(
    app: App, approval: Id, local: Local = None, as_json: AsJson = False
) -> None:
    """Have the asset made again from what its inputs are now, and ask anew."""
    _decide(app, local, as_json, lambda stone: stone.approvals.recompute(approval))


def _decide(
    app: str,
    local: str | None,
    as_json: bool,
    verb: Callable[[Client], Awaitable[ApprovalEntry]],
) -> None:
    found = ask(load(app), local, verb)
    if as_json:
        emit(_data(found))
    elif found.state == "pending":
        say(f"escalated to {found.escalated_to}")
    else:
        say(found.winner)


def _read(edits: str) -> object:
    text = sys.stdin.read() if edits == "-" else edits
    try:
        return json.loads(text)
    except ValueError as error:
        what = f"{error}; text is written in quotes, as '\"yes\"'"
        raise misuse(what, "--edits") from error


def _key(one: ApprovalEntry) -> str | None:
    key = PartitionKey.of(one.partition).text
    return None if key == "-" else key


def _data(one: ApprovalEntry) -> dict[str, object]:
    return {**asdict(one), "partition": _key(one)}
