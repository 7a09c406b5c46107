"""Waits for an answer from outside."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from flowstone.cli.ending import misuse
from flowstone.cli.loading import load
from flowstone.cli.parameters import App, AsJson, Local
from flowstone.cli.session import ask
from flowstone.cli.show import emit, say, table

if TYPE_CHECKING:
    from flowstone.ledger.base import Gate

__all__ = ["list_gates", "signal_gate"]

Token = Annotated[
    str,
    typer.Argument(metavar="TOKEN", help="What ctx.token gave.", show_default=False),
]
Payload = Annotated[
    str,
    typer.Argument(metavar="[PAYLOAD]", help="The answer, as JSON; - reads stdin."),
]


def list_gates(app: App, local: Local = None, as_json: AsJson = False) -> None:
    """List the gates that wait, the oldest first."""
    gates = ask(load(app), local, lambda stone: stone.gates.list())
    if as_json:
        emit([_gate_data(gate) for gate in gates])
        return
    table(
        ["gate", "asset", "partition", "opened", "deadline", "then", "run"],
        [
            [
                gate.id,
                _name(gate),
                gate.key,
                gate.opened_at,
                gate.deadline,
                gate.on_timeout if gate.deadline else None,
                gate.run,
            ]
            for gate in gates
        ],
    )


def signal_gate(
    app: App,
    token: Token,
    payload: Payload = "null",
    local: Local = None,
    as_json: AsJson = False,
) -> None:
    """Answer a gate; an answer that comes before its gate opens is kept for it."""
    answer = _read(sys.stdin.read() if payload == "-" else payload)
    ask(load(app), local, lambda stone: stone.gates.signal(token, answer))
    if as_json:
        emit({"answered": True})
    else:
        say("answered")


def _read(payload: str) -> object:
    try:
        return json.loads(payload)
    except ValueError as error:
        what = f"{error}; text is written in quotes, as '\"yes\"'"
        raise misuse(what, "PAYLOAD") from error


def _name(gate: Gate) -> str:
    return gate.asset.rpartition("/")[2]


def _gate_data(gate: Gate) -> dict[str, object]:
    return {
        "gate": gate.id,
        "asset": _name(gate),
        "partition": None if gate.key in {"", "-"} else gate.key,
        "run_id": gate.run,
        "state": gate.state,
        "opened_at": gate.opened_at,
        "deadline": gate.deadline,
        "on_timeout": gate.on_timeout,
    }
