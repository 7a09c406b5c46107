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
    from flowstone.ledger.deliveries import Delivery

__all__ = ["list_deliveries", "list_gates", "redeliver", "signal_gate"]

Token = Annotated[
    str | None,
    typer.Argument(metavar="[TOKEN]", help="What ctx.token gave.", show_default=False),
]
Payload = Annotated[
    str | None,
    typer.Argument(
        metavar="[PAYLOAD]",
        help="The answer, as JSON; - reads stdin; null where it is left out.",
        show_default=False,
    ),
]
Key = Annotated[
    str | None,
    typer.Option("--key", metavar="TEXT", help="What Signal(key=...) gave."),
]
OfAsset = Annotated[
    str | None, typer.Option("--asset", metavar="NAME", help="Whose key it is.")
]
OfGate = Annotated[
    str, typer.Option("--gate", metavar="ID", help="Only for this gate.")
]
Limit = Annotated[int, typer.Option("--limit", min=1, help="How many at most.")]
DeliveryId = Annotated[
    str,
    typer.Argument(metavar="DELIVERY", help="The delivery's id.", show_default=False),
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
    token: Token = None,
    payload: Payload = None,
    key: Key = None,
    asset: OfAsset = None,
    local: Local = None,
    as_json: AsJson = False,
) -> None:
    """Answer a gate; an answer that comes before its gate opens is kept for it.

    With --key and --asset, the answer alone is given: PAYLOAD.
    """
    if (key is None) != (asset is None):
        raise misuse("the two go together", "--key", "--asset")
    if key is not None and payload is not None:
        raise misuse("a key takes the place of the token; leave that out", "--key")
    if key is None and token is None:
        raise misuse("give the token, or --key and --asset", "TOKEN")
    given = payload if key is None else token
    text = "null" if given is None else given
    answer = _read(sys.stdin.read() if text == "-" else text)
    whose = {"token": token} if key is None else {"key": key, "asset": asset}
    ask(load(app), local, lambda stone: stone.gates.signal(payload=answer, **whose))
    if as_json:
        emit({"answered": True})
    else:
        say("answered")


def list_deliveries(
    app: App,
    gate: OfGate = "",
    limit: Limit = 100,
    local: Local = None,
    as_json: AsJson = False,
) -> None:
    """List what was delivered to callback URLs, the newest first."""
    found = ask(
        load(app), local, lambda stone: stone.gates.deliveries(gate=gate, limit=limit)
    )
    if as_json:
        emit([_delivery_data(delivery) for delivery in found])
        return
    table(
        ["delivery", "at", "from", "asset", "partition", "outcome", "status", "bytes"],
        [
            [d.id, d.at, d.source, d.asset, d.key, d.outcome, d.status, d.size]
            for d in found
        ],
    )


def redeliver(
    app: App, delivery: DeliveryId, local: Local = None, as_json: AsJson = False
) -> None:
    """Deliver again what was delivered before, as it was."""
    again = ask(load(app), local, lambda stone: stone.gates.redeliver(delivery))
    if as_json:
        emit(_delivery_data(again))
    else:
        say(f"{again.outcome}{': ' if again.reason else ''}{again.reason}")


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
        "key": gate.outside,
    }


def _delivery_data(delivery: Delivery) -> dict[str, object]:
    return {
        "delivery": delivery.id,
        "at": delivery.at,
        "source": delivery.source,
        "outcome": delivery.outcome,
        "status": delivery.status,
        "reason": delivery.reason,
        "gate": delivery.gate,
        "asset": delivery.asset,
        "partition": None if delivery.key in {"", "-"} else delivery.key,
        "run_id": delivery.run,
        "actor": delivery.actor,
        "headers": dict(delivery.headers),
        "bytes": delivery.size,
        "sha256": delivery.digest,
        "replay_of": delivery.replay_of,
    }
