# pyright: reportUnnecessaryTypeIgnoreComment=error
"""An asset keeps its function's exact type, and takes keywords of exact types.

Nothing here is executed: mypy and basedpyright check it, both of them strict. Each
`type: ignore` is a test too, for both report one that suppresses nothing.
"""

from __future__ import annotations

from collections.abc import Coroutine
from datetime import date, timedelta
from typing import Any, assert_type

from flowstone import (
    MINUTE,
    Approval,
    Asset,
    Context,
    Pipeline,
    Retry,
    Signal,
    asset,
    daily,
)


class Trade:
    """What somebody may have to approve."""

    def __init__(self, value: int) -> None:
        self.value = value


@asset
def counted(rows: list[int], unit: str = "rows") -> str:
    """Be a plain function, declared without parentheses."""
    return f"{len(rows)} {unit}"


@asset(name="other", io="lake", timeout=timedelta(minutes=1))
def renamed(rows: list[int], *, ctx: Context) -> dict[str, int]:
    """Be a plain function, declared with keywords."""
    return {ctx.asset: len(rows)}


@asset
async def fetched(rows: list[int]) -> str:
    """Be a coroutine."""
    return str(rows)


@asset
def reviewed(trade: Trade) -> Trade | Approval[Trade]:
    """Return a suspension, perhaps."""
    return Approval(trade)


@asset
def answered() -> Signal[Trade]:
    """Return a suspension, always."""
    return Signal(timeout=MINUTE)


@answered.on_signal
def answer(payload: dict[str, int]) -> Trade:
    """Be a companion."""
    return Trade(payload["value"])


def an_asset_is_of_its_functions_type() -> None:
    """An asset's parameters and what it returns are those of its function."""
    assert_type(answered, Asset[[], Signal[Trade]])
    assert_type(reviewed.name, str)
    Pipeline(counted, renamed, fetched, reviewed, answered)


async def calling_an_asset_calls_its_function(ctx: Context) -> None:
    """A call of an asset has the type that a call of its function has."""
    assert_type(counted([1]), str)
    assert_type(counted([1], unit="lines"), str)
    assert_type(renamed([1], ctx=ctx), dict[str, int])
    waiting: Coroutine[Any, Any, str] = fetched([1])
    assert_type(await waiting, str)
    assert_type(await fetched([1]), str)
    assert_type(reviewed(Trade(1)), Trade | Approval[Trade])
    assert_type(answered(), Signal[Trade])
    assert_type(answer({}), Trade)


def calling_an_asset_wrongly_is_an_error() -> None:
    """What its function does not take, an asset does not take."""
    counted()  # type: ignore[call-arg]
    counted("rows")  # type: ignore[arg-type]
    counted([1], unit=1)  # type: ignore[arg-type]
    counted([1], size=1)  # type: ignore[call-arg]
    renamed([1])  # type: ignore[call-arg]
    reviewed(1)  # type: ignore[arg-type]


def function() -> int:
    """Be declared again and again."""
    return 1


def keywords_have_types() -> None:
    """A keyword of the right type makes a decorator that keeps the function's type."""
    assert_type(asset(io="lake")(function), Asset[[], int])
    assert_type(asset(needs={"left": "orders_eu"})(function), Asset[[], int])
    assert_type(asset(after=["migrate"])(function), Asset[[], int])
    assert_type(asset(partitions=daily(date(2025, 1, 1)))(function), Asset[[], int])
    assert_type(asset(retry=Retry(attempts=3))(function), Asset[[], int])
    assert_type(asset(timeout=MINUTE, version="2")(function), Asset[[], int])
    assert_type(asset(volatile=True, tags={"team": "sales"})(function), Asset[[], int])


def keywords_of_other_types_are_errors() -> None:
    """A keyword of another type, and one that does not exist, is an error."""
    asset(io=1)  # type: ignore[call-overload]
    asset(needs=["left"])  # type: ignore[call-overload]
    asset(after=1)  # type: ignore[call-overload]
    asset(partitions="2025-01-15")  # type: ignore[call-overload]
    asset(retry=3)  # type: ignore[call-overload]
    asset(timeout=60)  # type: ignore[call-overload]
    asset(version=2)  # type: ignore[call-overload]
    asset(volatile="yes")  # type: ignore[call-overload]
    asset(tags=["sales"])  # type: ignore[call-overload]
    asset(retries=3)  # type: ignore[call-overload]
    asset("raw")  # type: ignore[call-overload]
