"""Answers as they come in: looked at before they take effect, and written down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

from flowstone.core.errors import (
    AlreadyDecided,
    BadPayload,
    BadToken,
    Refused,
    RunClosed,
)
from flowstone.core.token import read_token
from flowstone.ledger.answering import LATE, Place
from flowstone.ledger.base import Gate
from flowstone.ledger.deciding import DEADLINE
from flowstone.ledger.deliveries import Delivery
from flowstone.ledger.ids import new_id
from flowstone.ledger.turn import Turn
from flowstone.steps.payloads import check_payload, read_payload, write_payload
from flowstone.steps.toolbox import Toolbox

__all__ = ["Inbox"]

_STATUS = {"answered": 200, "repeated": 200, "kept": 202}
_TOO_LATE = (LATE, DEADLINE)
_REFUSALS = (AlreadyDecided, BadPayload, RunClosed)


class Inbox:
    """Takes answers; it blocks.

    Args:
        toolbox: the app's assets, its ledger, its keys and its limits.
    """

    def __init__(self, toolbox: Toolbox) -> None:
        self._toolbox = toolbox
        self._ledger = toolbox.ledger

    # --- from whoever is known ------------------------------------------------------

    def answer(self, token: str, payload: object, actor: str) -> Gate | None:
        """Answer a gate by its token."""
        gate = read_token(token, self._toolbox.keys)
        text = self._written(payload)
        self._look(self._place(gate), text)
        return self._ledger.gates.answer(gate, text, actor)

    def answer_outside(
        self, asset: str, outside: str, payload: object, actor: str
    ) -> Gate | None:
        """Answer a gate of an asset by the outside world's own id."""
        text = self._written(payload)
        check_payload(self._toolbox.pipeline[asset], text)
        whose = f"{self._toolbox.name}/{asset}"
        return self._ledger.gates.answer_outside(whose, outside, text, actor)

    def _written(self, payload: object) -> str:
        text = write_payload(payload)
        self._measure(len(text))
        return text

    def _measure(self, size: int) -> None:
        most = self._toolbox.callbacks.max_bytes
        if size > most:
            reason = f"it has {size} bytes, and {most} are the most"
            raise BadPayload(
                reason=f"{reason} (FLOWSTONE_CALLBACK_MAX_BYTES); hand in a reference"
            )

    # --- from whoever has a token ---------------------------------------------------

    def receive(
        self, token: str, body: bytes, source: str, headers: Mapping[str, str]
    ) -> tuple[Delivery, Gate | None]:
        """Take in what was delivered, and say what became of it."""
        gate = read_token(token, self._toolbox.keys)
        name = new_id()
        came = Delivery(
            id=name,
            pipeline=self._toolbox.name,
            gate=gate,
            source=source,
            actor=f"delivery {name}",
            headers=headers,
            payload=None,
            digest=sha256(body).hexdigest(),
            size=len(body),
        )
        try:
            self._measure(len(body))
            came = replace(came, payload=read_payload(body))
        except BadPayload as error:
            fits = len(body) <= self._toolbox.callbacks.max_bytes
            what = ("malformed", 400) if fits else ("oversize", 413)
            return self._refuse(came, error, *what), None
        return self._deliver(came)

    def redeliver(self, delivery: str, actor: str) -> tuple[Delivery, Gate | None]:
        """Deliver again what was delivered before."""
        first = self._ledger.deliveries.get(self._toolbox.name, delivery)
        if first.payload is None:
            raise Refused(
                reason=f"Delivery {delivery!r} brought no JSON: there is nothing to "
                "deliver again."
            )
        again = replace(first, id=new_id(), actor=actor, reason="", replay_of=first.id)
        return self._deliver(again)

    def _deliver(self, came: Delivery) -> tuple[Delivery, Gate | None]:
        payload = came.payload or "null"
        place = self._place(came.gate)
        if place is not None:
            whose = place.asset.split("/", 1)[-1]
            came = replace(came, asset=whose, key=place.key, run=place.run)
        noted = [came]

        def note(turn: Turn, outcome: str) -> None:
            done = replace(came, outcome=outcome, status=_STATUS[outcome])
            noted.append(self._ledger.deliveries.write(turn, done, self._kept))

        try:
            self._look(place, payload)
            answer = self._ledger.gates.answer
            gate = answer(came.gate, payload, came.actor, note)
        except _REFUSALS as error:
            return self._refuse(came, error, *_refusal(error)), None
        return noted[-1], gate

    def _refuse(
        self, came: Delivery, error: Refused, outcome: str, status: int
    ) -> Delivery:
        done = replace(came, outcome=outcome, status=status, reason=error.message)
        return self._ledger.deliveries.record(done, self._kept)

    @property
    def _kept(self) -> timedelta:
        return self._toolbox.callbacks.kept

    # --- looking --------------------------------------------------------------------

    def _place(self, gate: str) -> Place | None:
        place = self._ledger.gates.place(gate)
        if place is not None and not place.asset.startswith(f"{self._toolbox.name}/"):
            raise BadToken
        return place

    def _look(self, place: Place | None, text: str) -> None:
        """Refuse what the asset could not take, while its gate may still be answered."""
        if place is None or not place.open:
            return
        name = place.asset.split("/", 1)[-1]
        if name in self._toolbox.pipeline:
            check_payload(self._toolbox.pipeline[name], text)


def _refusal(error: Refused) -> tuple[str, int]:
    match error:
        case AlreadyDecided(winner=winner):
            return ("late", 410) if winner in _TOO_LATE else ("refused", 409)
        case RunClosed():
            return "closed", 410
        case _:
            return "misfit", 422
