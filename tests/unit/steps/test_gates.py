"""Gates: a function waits, an answer or the deadline makes the value."""

from __future__ import annotations

from datetime import timedelta

import pytest

from flowstone.core.asset import asset
from flowstone.core.errors import AlreadyDecided
from flowstone.core.outcome import Signal, Skip, Snooze
from flowstone.core.replies import (
    Busy,
    Held,
    Left,
    Missing,
    PackReply,
    Produced,
    Raised,
    Skipped,
)
from flowstone.core.token import derive_token, gate_id
from flowstone.steps.context import Context
from tests.harness import eventually
from tests.unit.steps.bench import KEYS, Make
from tests.unit.steps.waiting import answer, gated, keyed, plain, raw, waiting

HOUR = timedelta(hours=1)
GATE = gate_id("r1", 0, 0)


# --- opening ------------------------------------------------------------------------


def test_a_gate_is_opened_with_its_deadline(bench: Make) -> None:
    """What waits says at which gate, and until when."""
    shop = bench(plain)
    shop.begin("plain")
    [reply] = shop.run("plain")

    assert isinstance(reply, Held)
    assert (reply.gate, reply.answered) == (GATE, False)
    found = shop.toolbox.ledger.gates.get(GATE)
    assert found is not None
    assert reply.deadline == found.deadline == found.opened_at + HOUR
    assert shop.attempts("plain") == ["held"]


def test_a_deadline_is_told_though_its_wait_was_committed_before(bench: Make) -> None:
    """What a pack commits while it goes on is told as what it commits at its end."""

    @asset
    def slow(raw: int) -> int:
        eventually(lambda: shop.attempts("plain") == ["held"], what="the commit")
        return raw

    @asset
    def report(plain: int, slow: int) -> int:
        return plain + slow

    shop = bench(report, slow, plain, raw)
    shop.begin("report")
    [_, reply, _] = shop.run("raw", "plain", "slow")

    assert isinstance(reply, Held)
    assert reply.deadline is not None


def test_what_waits_holds_its_claim(bench: Make) -> None:
    """Another run is told who waits, and at which gate."""
    shop = waiting(bench, plain)
    shop.begin("plain", run="r2")

    assert shop.run("plain", run="r2") == [Busy(owner="r1", gate=GATE)]


def test_a_gate_without_a_timeout_has_no_deadline(bench: Make) -> None:
    """Who gives no timeout waits for ever."""

    @asset
    def patient() -> Signal[int]:
        return Signal()

    shop = bench(patient)
    shop.begin("patient")

    assert shop.run("patient") == [Held(gate=GATE)]


def test_the_token_is_the_same_on_every_attempt(bench: Make) -> None:
    """Whoever was given the token may answer, whatever came of that attempt."""
    tokens: list[str] = []

    @asset
    def starts(ctx: Context) -> Signal[int] | Snooze:
        tokens.append(ctx.token)
        return Signal() if len(tokens) > 1 else Snooze(HOUR)

    shop = bench(starts)
    shop.begin("starts")
    shop.run("starts")
    shop.run("starts")

    assert tokens == [derive_token(GATE, KEYS)] * 2


def test_what_was_made_is_there_before_the_token_is(bench: Make) -> None:
    """Taking the token commits what the pack has made until then."""
    seen: list[object] = []

    @asset
    def starts(raw: int, ctx: Context) -> Signal[int]:
        _ = ctx.token
        seen.append(shop.value("raw"))
        return Signal()

    shop = bench(starts, raw)
    shop.begin("starts")
    shop.run("raw", "starts")

    assert seen == [10]


def test_an_answer_may_come_before_its_gate(bench: Make) -> None:
    """An early answer is told with the opening, and is the value."""
    shop = bench(plain)
    shop.begin("plain")
    answer(shop, "plain", "5")
    [reply] = shop.run("plain")
    assert isinstance(reply, Held)
    assert reply.answered
    shop.settle("plain")

    assert shop.value("plain") == 5


def test_a_held_asset_is_not_called_again(bench: Make) -> None:
    """Who asks for what waits is told where, and to ask the gate."""
    shop = waiting(bench, plain)
    [reply] = shop.run("plain")

    assert isinstance(reply, Held)
    assert (reply.gate, reply.answered) == (GATE, True)
    assert shop.attempts("plain") == ["held"]


def test_a_gate_has_the_id_of_the_world(bench: Make) -> None:
    """The outside world's own id is in the gate's row, to be answered by."""
    shop = bench(keyed)
    shop.begin("keyed")
    shop.run("keyed")
    decided = shop.toolbox.ledger.gates.answer_outside("shop/keyed", "task", "5", "ada")
    shop.settle("keyed")

    assert decided is not None
    assert (decided.id, decided.outside) == (GATE, "task")
    assert shop.value("keyed") == 5


def test_an_id_of_the_world_is_one_gates(bench: Make) -> None:
    """A second wait with the same id is a failure, and is not tried again."""
    shop = bench(keyed)
    shop.begin("keyed", verb="backfill", keys=["1", "2"])
    shop.run("keyed@0")
    replies = shop.run("keyed@1")

    assert replies == [Raised(retryable=False)]
    assert "waits with Signal(key='task')" in shop.error("keyed", replies).error
    assert shop.run("keyed@0")[0].kind == "held"


def test_an_answer_by_the_id_of_the_world_may_come_first(bench: Make) -> None:
    """It is kept until a gate opens with that id, and is its value."""
    shop = bench(keyed)
    shop.begin("keyed")
    kept = shop.toolbox.ledger.gates.answer_outside("shop/keyed", "task", "5", "ada")
    [reply] = shop.run("keyed")
    shop.settle("keyed")

    assert kept is None
    assert isinstance(reply, Held)
    assert reply.answered
    assert shop.value("keyed") == 5


# --- settling -----------------------------------------------------------------------


def test_an_answer_is_the_value(bench: Make) -> None:
    """Where nothing else is said, the payload is the value, and of its type."""
    shop = waiting(bench, plain)
    answer(shop, "plain", "5")

    assert shop.settle("plain") == PackReply(replies=[Produced(millis=-1)])
    assert shop.value("plain") == 5
    assert shop.claims() == []


def test_how_long_it_waited_is_not_how_long_it_takes(bench: Make) -> None:
    """The duration of what waits for the world is not known."""
    shop = waiting(bench, plain)
    answer(shop, "plain", "5")
    shop.settle("plain")

    assert list(shop.begin("plain", run="r2").skeleton.millis) == [-1]


def test_a_gate_that_nobody_answered_goes_on_waiting(bench: Make) -> None:
    """A bell without an answer changes nothing."""
    shop = waiting(bench, plain)
    [reply] = shop.settle("plain").replies

    assert isinstance(reply, Held)
    assert (reply.gate, reply.answered) == (GATE, False)


def test_a_gate_that_is_not_there_is_left(bench: Make) -> None:
    """Where no gate was opened, its asset is to be run."""
    shop = bench(plain)
    shop.begin("plain")

    assert shop.settle("plain").replies == [Left()]


def test_a_payload_that_does_not_fit_is_a_failure(bench: Make) -> None:
    """An answer of another type fails the asset, with what was wrong."""
    shop = waiting(bench, plain)
    answer(shop, "plain", '"five"')
    replies = shop.settle("plain").replies

    assert replies == [Raised(retryable=False)]
    assert shop.error("plain", replies).error_type == "CodecError"


def test_a_companion_makes_the_value(bench: Make) -> None:
    """The payload goes to `.on_signal`, with what else it reads."""
    waits = gated()

    @waits.on_signal
    def arrived(payload: dict[str, int], raw: int, ctx: Context) -> int:
        return payload["rows"] + raw + ctx.attempt

    shop = waiting(bench, waits, raw)
    answer(shop, "gated", '{"rows": 5}')
    shop.settle("gated")

    assert shop.value("gated") == 16
    assert shop.reads("gated") == {"raw": shop.version_id("raw")}
    assert arrived.__name__ == "arrived"


def test_a_companion_whose_input_was_lost_waits_for_it(bench: Make) -> None:
    """An answer is kept while what its companion reads is made again."""
    waits = gated()

    @waits.on_signal
    def arrived(payload: int, raw: int) -> int:
        return payload + raw

    shop = waiting(bench, waits, raw)
    answer(shop, "gated", "5")
    shop.lose("raw")
    assert shop.settle("gated").replies == [Missing(nodes=[shop.cell("raw").node])]
    shop.run("raw")
    assert [r.kind for r in shop.run("gated")] == ["held"]
    shop.settle("gated")

    assert shop.value("gated") == 15
    assert arrived(1, 2) == 3


def test_a_companion_may_skip(bench: Make) -> None:
    """What a companion returns is an outcome like any other."""
    waits = gated()
    waits.on_signal(_skipping)
    shop = waiting(bench, waits, raw)
    answer(shop, "gated", "5")

    assert shop.settle("gated").replies == [Skipped()]


def _skipping(payload: int) -> Skip:
    return Skip(f"{payload} is too few")


def test_a_companion_does_not_wait_anew(bench: Make) -> None:
    """A second signal would be answered by the same payload, for ever."""
    waits = gated()
    waits.on_signal(_waiting_on)
    shop = waiting(bench, waits, raw)
    answer(shop, "gated", "5")
    replies = shop.settle("gated").replies

    assert replies == [Raised(retryable=False)]
    assert "Signal(...) from .on_signal" in shop.error("gated", replies).error


def _waiting_on(payload: int) -> Signal[int]:
    return Signal()


def test_an_answer_is_taken_in_once(bench: Make) -> None:
    """A gate whose value is there already says so."""
    shop = waiting(bench, plain)
    answer(shop, "plain", "5")
    shop.settle("plain")

    assert shop.settle("plain").replies == [Produced(millis=-1)]
    assert shop.attempts("plain") == ["held", "committed"]


def test_one_decision_wins(bench: Make) -> None:
    """A second answer is told who was first; the same one again is none."""
    shop = waiting(bench, plain)
    answer(shop, "plain", "5")
    answer(shop, "plain", "5")

    with pytest.raises(AlreadyDecided, match="answered by ada"):
        answer(shop, "plain", "6")
