"""Gates: what comes of an answer that does not come in time, or too late."""

from __future__ import annotations

from datetime import timedelta

from flowstone.core.asset import asset
from flowstone.core.errors import GateTimedOut
from flowstone.core.outcome import Signal
from flowstone.core.replies import Cancelled, Held, Left, PackReply, Raised
from flowstone.ledger.rows import error_of
from tests.unit.steps.bench import Make
from tests.unit.steps.waiting import answer, gate, gated, plain, raw, waiting

HOUR = timedelta(hours=1)


def test_a_deadline_fails_what_waits(bench: Make) -> None:
    """No answer in time is a failure, with how long it waited."""
    shop = waiting(bench, plain)

    assert shop.settle("plain", expired=True).replies == [Raised(retryable=False)]
    [(written,)] = shop.ask("SELECT error FROM flowstone_run_nodes WHERE node = 0")
    error = error_of(str(written))
    assert isinstance(error, GateTimedOut)
    assert error.waited_seconds == 3600


def test_an_answer_is_found_before_the_deadline(bench: Make) -> None:
    """Who asks whether a gate has expired finds an answer that is there."""
    shop = waiting(bench, plain)
    answer(shop, "plain", "5")
    shop.settle("plain", expired=True)

    assert shop.value("plain") == 5


def test_a_deadline_may_cancel(bench: Make) -> None:
    """Where it was asked for, no answer in time cancels the asset."""

    @asset
    def cancels() -> Signal[int]:
        return Signal(timeout=HOUR, on_timeout="cancel")

    shop = waiting(bench, cancels)

    assert shop.settle("cancels", expired=True).replies == [Cancelled()]


def test_a_companion_decides_at_the_deadline(bench: Make) -> None:
    """`.on_timeout` gives the value, whatever else was asked for."""
    waits = gated()
    waits.on_timeout(_late)
    shop = waiting(bench, waits, raw)
    shop.settle("gated", expired=True)

    assert shop.value("gated") == -10


def _late(raw: int) -> int:
    return -raw


def test_a_companion_may_wait_longer(bench: Make) -> None:
    """`.on_timeout` may give a new deadline, at the same gate."""
    waits = gated()
    waits.on_timeout(lambda: Signal[int](timeout=2 * HOUR))
    shop = waiting(bench, waits, raw)
    [reply] = shop.settle("gated", expired=True).replies

    assert isinstance(reply, Held)
    assert reply.gate == gate(shop, "gated")
    answer(shop, "gated", "5")
    shop.settle("gated")
    assert shop.value("gated") == 5


# --- the end ------------------------------------------------------------------------


def test_a_gate_of_a_run_that_has_ended_is_closed(bench: Make) -> None:
    """Nothing is made for a run that has ended."""
    shop = waiting(bench, plain)
    shop.end("cancelled")

    assert shop.settle("plain") == PackReply(replies=[Left()], closed=True)


def test_a_gate_of_a_run_that_nobody_knows_is_closed(bench: Make) -> None:
    """Where the database has forgotten the run, its flow is told."""
    shop = bench(plain)
    shop.begin("plain")

    assert shop.settle(shop.cell("plain"), run="r9") == PackReply(
        replies=[Left()], closed=True
    )


def test_a_worker_without_the_asset_leaves_the_gate(bench: Make) -> None:
    """An answer is taken in by a worker that has the companion."""
    shop = waiting(bench, plain)
    answer(shop, "plain", "5")
    [reply] = shop.other(raw).settle("plain").replies

    assert reply.kind == "not_here"
    shop.settle("plain")
    assert shop.value("plain") == 5
