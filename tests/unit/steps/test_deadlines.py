"""Gates: what comes of an answer that does not come in time, or too late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

from flowstone.core.asset import Asset, asset
from flowstone.core.errors import GateTimedOut
from flowstone.core.outcome import Signal
from flowstone.core.replies import Cancelled, Held, Left, PackReply, Raised
from flowstone.ledger.rows import error_of
from flowstone.steps.context import Context
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


# --- waiting on ---------------------------------------------------------------------


def extending(
    on_timeout: Literal["extend", "rerun"], extensions: int = 3
) -> tuple[Asset[..., Signal[int]], list[str]]:
    """Declare an asset that waits once more, and give its tokens of each call."""
    tokens: list[str] = []

    @asset(version="1")
    def waits(ctx: Context) -> Signal[int]:
        tokens.append(ctx.token)
        return Signal(timeout=HOUR, on_timeout=on_timeout, extensions=extensions)

    return waits, tokens


def test_a_deadline_may_be_extended(bench: Make) -> None:
    """A new deadline of the same length, at the same gate, and nothing is run again."""
    waits, tokens = extending("extend")
    shop = waiting(bench, waits)
    [reply] = shop.settle("waits", expired=True).replies
    found = shop.toolbox.ledger.gates.get(gate(shop, "waits"))

    assert isinstance(reply, Held)
    assert found is not None
    assert reply.deadline == found.deadline == found.opened_at + 2 * HOUR
    answer(shop, "waits", "5")
    shop.settle("waits")
    assert shop.value("waits") == 5
    assert len(tokens) == 1


def test_a_deadline_is_extended_so_often(bench: Make) -> None:
    """After the last extension, no answer is a failure; it says how long it waited."""
    waits, _ = extending("extend", 2)
    shop = waiting(bench, waits)
    kinds = [shop.settle("waits", expired=True).replies[0].kind for _ in range(3)]

    assert kinds == ["held", "held", "raised"]
    [(written,)] = shop.ask("SELECT error FROM flowstone_run_nodes WHERE node = 0")
    error = error_of(str(written))
    assert isinstance(error, GateTimedOut)
    assert error.waited_seconds == 3 * 3600


def test_a_deadline_is_extended_once_for_its_instant(bench: Make) -> None:
    """A step that is done twice for one instant extends once."""
    waits, _ = extending("extend")
    shop = waiting(bench, waits)
    found = shop.toolbox.ledger.gates.get(gate(shop, "waits"))
    assert found is not None
    assert found.due_millis is not None
    first = shop.settle("waits", expired=True, instants=[found.due_millis])
    second = shop.settle("waits", expired=True, instants=[found.due_millis])

    assert first == second
    again = shop.toolbox.ledger.gates.get(found.id)
    assert again is not None
    assert (again.extensions, again.deadline) == (2, found.opened_at + 2 * HOUR)


def test_a_deadline_that_passed_long_ago_leaves_time(bench: Make) -> None:
    """After an outage, the new deadline is not in the past."""
    waits, _ = extending("extend")
    shop = waiting(bench, waits)
    shop.change("UPDATE flowstone_gates SET deadline = '2020-01-01 00:00:00.000000'")
    [reply] = shop.settle("waits", expired=True).replies

    assert isinstance(reply, Held)
    assert reply.deadline is not None
    assert reply.deadline > datetime.now(UTC) + HOUR / 2


def test_a_function_may_be_asked_again(bench: Make) -> None:
    """At the deadline the function is called anew; its token is the same."""
    waits, tokens = extending("rerun")
    shop = waiting(bench, waits)
    assert shop.settle("waits", expired=True).replies == [Left()]
    assert shop.claims() == []
    [reply] = shop.run("waits")

    assert isinstance(reply, Held)
    assert len(tokens) == 2
    assert len(set(tokens)) == 1
    answer(shop, "waits", "5")
    shop.settle("waits")
    assert shop.value("waits") == 5


def test_a_lost_reply_has_the_function_asked_again_all_the_same(bench: Make) -> None:
    """Whoever asks once more after the deadline is told the same."""
    waits, _ = extending("rerun")
    shop = waiting(bench, waits)
    found = shop.toolbox.ledger.gates.get(gate(shop, "waits"))
    assert found is not None
    assert found.due_millis is not None
    told = [
        shop.settle("waits", expired=True, instants=[found.due_millis]).replies
        for _ in range(2)
    ]

    assert told == [[Left()], [Left()]]
    again = shop.toolbox.ledger.gates.get(found.id)
    assert again is not None
    assert again.extensions == 2


def test_an_old_token_answers_while_the_function_is_asked_again(bench: Make) -> None:
    """What comes between two calls of a function is not lost."""
    waits, _ = extending("rerun")
    shop = waiting(bench, waits)
    shop.settle("waits", expired=True)
    answer(shop, "waits", "5")
    [reply] = shop.run("waits")

    assert isinstance(reply, Held)
    assert reply.answered
    shop.settle("waits")
    assert shop.value("waits") == 5


def test_a_function_is_asked_again_so_often(bench: Make) -> None:
    """After the last of its calls, no answer is a failure."""
    waits, tokens = extending("rerun", 1)
    shop = waiting(bench, waits)
    shop.settle("waits", expired=True)
    shop.run("waits")

    assert shop.settle("waits", expired=True).replies == [Raised(retryable=False)]
    assert len(tokens) == 2


def test_a_companion_decides_whatever_the_signal_says(bench: Make) -> None:
    """Where there is an `.on_timeout`, nothing is extended."""
    waits, _ = extending("extend")
    waits.on_timeout(lambda: 7)
    shop = waiting(bench, waits)
    shop.settle("waits", expired=True)

    assert shop.value("waits") == 7


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
