"""An asset stays the function that it was, and knows what it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import cast

import pytest

from flowstone.core.asset import Asset, asset
from flowstone.core.code import code_version
from flowstone.core.errors import BadCompanion
from flowstone.core.outcome import Signal, Skip
from flowstone.core.pipeline import Pipeline
from flowstone.core.policy import Retry
from flowstone.core.space import one_of, single
from flowstone.core.wiring import Need


@asset
def raw() -> list[int]:
    """What was counted.

    By hand.
    """
    return [3, 1, 2]


@asset
def cleaned(raw: list[int], ctx: object = None) -> list[int] | Skip:
    return sorted(raw)


def waiting(raw: list[int], limit: int = 3) -> Signal[int]:
    return Signal(timeout=timedelta(hours=limit + len(raw)))


def fresh() -> Asset[..., Signal[int]]:
    """Declare an asset that waits for a signal."""
    return asset(needs={"raw": "orders"})(waiting)


def test_an_asset_can_be_called_as_the_function_was() -> None:
    """In a test, an asset is its function."""
    assert cleaned([2, 1]) == [1, 2]
    assert cleaned(raw=raw()) == [1, 2, 3]


async def test_an_asynchronous_asset_is_awaited_as_ever() -> None:
    """An `async def` asset is a coroutine function to its caller."""

    @asset
    async def later() -> int:
        return 1

    assert await later() == 1


def test_an_asset_is_named_by_its_function() -> None:
    """Its readers call an asset what its function is called, unless it is named."""

    @asset(name="orders")
    def read_orders() -> int:
        return 1

    assert (raw.name, repr(raw)) == ("raw", "<asset 'raw'>")
    assert read_orders.name == "orders"


def test_an_asset_is_described_by_its_docstring() -> None:
    """People read the docstring, without its indentation; or nothing."""
    assert raw.description == "What was counted.\n\nBy hand."
    assert cleaned.description == ""


def test_an_asset_is_as_it_was_declared() -> None:
    """Each keyword is kept; what is left out has its default."""

    @asset(
        io="lake",
        needs={"left": raw, "right": "cleaned"},
        after=[cleaned, "migrate"],
        partitions=one_of("eu", "us"),
        retry=Retry(attempts=3),
        timeout=timedelta(minutes=1),
        version="2",
        volatile=True,
        tags={"team": "sales"},
    )
    def report(left: int, right: int) -> int:
        return left + right

    options = report.options
    assert options.io == "lake"
    assert options.needs == {"left": "raw", "right": "cleaned"}
    assert options.after == ("cleaned", "migrate")
    assert options.partitions == one_of("eu", "us")
    assert (options.retry, options.timeout) == (
        Retry(attempts=3),
        timedelta(minutes=1),
    )
    assert (options.version, options.volatile) == ("2", True)
    assert options.tags == {"team": "sales"}
    assert raw.options.io == "default"
    assert raw.options.retry is None


def test_an_asset_knows_what_it_needs() -> None:
    """Its needs are its parameters, renamed where it was told, and what comes first."""
    found = asset(needs={"raw": "orders"}, after=["migrate"])(waiting).wiring

    assert found.needs == (
        Need(asset="orders", parameter="raw"),
        Need(asset="limit", parameter="limit", optional=True),
        Need(asset="migrate"),
    )
    assert cleaned.wiring.takes_context


def test_an_asset_without_partitions_is_single() -> None:
    """Only what is declared single is."""

    @asset(partitions=single)
    def catalog() -> int:
        return 1

    assert catalog.is_single
    assert not raw.is_single


def test_an_asset_knows_its_annotations() -> None:
    """Values are decoded as they are annotated, suspensions aside."""
    assert raw.hints.returns == list[int]
    assert cleaned.hints.returns == list[int]
    assert dict(cleaned.hints.parameters) == {"raw": list[int], "ctx": object}
    assert fresh().hints.returns is int


def test_a_version_that_is_given_is_the_version() -> None:
    """Who names a version is not bound to the code; else the code is hashed."""

    @asset(version="2")
    def report() -> int:
        return 1

    assert report.code == "2"
    assert raw.code == code_version(raw.function)


# --- companions ---------------------------------------------------------------------


def test_a_companion_stays_a_function() -> None:
    """What is declared as a companion can be called as it was."""
    waits = fresh()

    @waits.on_signal
    def arrived(payload: int, raw: list[int]) -> int:
        return payload + len(raw)

    @waits.on_timeout
    def late() -> int:
        return -1

    assert (arrived(1, [2]), late()) == (2, -1)
    assert dict(waits.companions) == {"on_signal": arrived, "on_timeout": late}


def test_a_companion_is_a_part_of_the_code() -> None:
    """Another companion is another version, also where somebody asked before."""
    waits = fresh()
    before = waits.code

    @waits.on_timeout
    def late() -> int:
        return -1

    assert waits.code == code_version(waiting, late)
    assert waits.code != before


def test_a_companion_reads_what_its_asset_reads() -> None:
    """The payload comes first; a rename of the asset is one of the companion."""
    waits = fresh()

    @waits.on_signal
    def arrived(payload: int, raw: list[int], ctx: object) -> int:
        return payload

    found = waits.companion_wiring("on_signal")
    assert found.needs == (Need(asset="orders", parameter="raw"),)
    assert found.takes_context


COMPANIONS: Mapping[str, tuple[Callable[..., object], str]] = {
    "on_signal": (lambda: 1, "as its first parameter"),
    "on_timeout": (lambda *rest: cast("object", rest), "name each asset"),
}


@pytest.mark.parametrize("companion", COMPANIONS)
def test_a_companion_that_takes_the_wrong_things_is_named(companion: str) -> None:
    """A companion that cannot be called is an error of the asset's definition."""
    waits = fresh()
    function, words = COMPANIONS[companion]
    getattr(waits, companion)(function)

    with pytest.raises(BadCompanion, match=words) as caught:
        waits.companion_wiring(companion)

    assert (caught.value.asset, caught.value.companion) == ("waiting", companion)


def test_an_asset_has_one_companion_of_a_kind() -> None:
    """A second one is refused, rather than taken in place of the first."""
    waits = fresh()
    waits.on_timeout(lambda: 1)

    with pytest.raises(BadCompanion, match="it has one already"):
        waits.on_timeout(lambda: 2)


def test_a_companion_comes_before_the_pipeline() -> None:
    """An asset that a pipeline has taken is sealed."""

    @asset
    def waits() -> Signal[int]:
        return Signal()

    def arrived(payload: int) -> int:
        return payload

    Pipeline(waits)

    with pytest.raises(BadCompanion, match=r"before Pipeline\(...\)"):
        waits.on_signal(arrived)
