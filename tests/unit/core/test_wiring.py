"""A function's parameters become its needs, by their names alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from flowstone.core.errors import DefinitionError
from flowstone.core.wiring import Need, Wiring, wire


def report(cleaned: object, extra: int = 1) -> object:
    return (cleaned, extra)


def told(ctx: object, raw: object) -> object:
    return (ctx, raw)


def takes_any(*rest: object) -> object:
    return rest


def takes_more(**more: object) -> object:
    return more


def takes_by_place(raw: object, /) -> object:
    return raw


def takes_nothing() -> object:
    return None


def takes_by_name(*, payload: object) -> object:
    return payload


class Unreadable:
    """It can be called, and does not say with what."""

    __signature__ = 5

    def __call__(self) -> object:
        return None


def test_a_parameter_is_a_need() -> None:
    """A parameter's name is the asset it reads, and a default makes it optional."""
    assert wire(report) == Wiring(
        needs=(
            Need(asset="cleaned", parameter="cleaned"),
            Need(asset="extra", parameter="extra", optional=True),
        )
    )


def test_no_annotation_is_evaluated() -> None:
    """A function is wired whatever its annotations name."""

    def odd(raw: object) -> object:
        return raw

    odd.__annotations__ = {"raw": "nowhere.to.be.found", "return": "1 / 0"}

    assert wire(odd).needs == (Need(asset="raw", parameter="raw"),)


def test_ctx_is_the_context() -> None:
    """The parameter `ctx` is no need."""
    assert wire(told) == Wiring(
        needs=(Need(asset="raw", parameter="raw"),), takes_context=True
    )


def test_a_parameter_may_read_an_asset_of_another_name() -> None:
    """A rename says which asset fills a parameter."""
    found = wire(report, renamed={"cleaned": "orders"})

    assert found.needs[0] == Need(asset="orders", parameter="cleaned")


def test_what_comes_first_is_not_read() -> None:
    """An asset that merely comes first fills no parameter."""
    found = wire(told, after=["migrate"])

    assert found.needs[-1] == Need(asset="migrate")
    assert [need.loads for need in found.needs] == [True, False]


def test_what_is_supplied_comes_first() -> None:
    """The leading parameters that Flowstone fills are no needs."""
    assert wire(report, supplied=1).needs == (
        Need(asset="extra", parameter="extra", optional=True),
    )


def test_a_supplied_parameter_may_have_any_name() -> None:
    """A payload that is called `ctx` is a payload."""
    assert not wire(told, supplied=1).takes_context


def test_a_function_with_parts_of_its_arguments_is_a_function() -> None:
    """What was filled already is optional."""
    found = wire(partial(told, raw=1))

    assert found.needs == (Need(asset="raw", parameter="raw", optional=True),)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (takes_any, r"takes \*rest: name each asset that it reads"),
        (takes_more, r"takes \*\*more: name each asset that it reads"),
        (takes_by_place, "takes 'raw' by position only"),
        (Unreadable(), "cannot be read; wrap it in a function"),
    ],
)
def test_a_parameter_without_a_name_to_pass_is_refused(
    function: Callable[..., object], words: str
) -> None:
    """Assets are passed by name, so every parameter has one."""
    with pytest.raises(DefinitionError, match=words):
        wire(function)


def test_a_rename_of_nothing_is_refused() -> None:
    """All renames of parameters that are not there are named."""
    with pytest.raises(DefinitionError, match="renames 'x', 'y', which it does not"):
        wire(report, renamed={"y": "b", "x": "a"})


@pytest.mark.parametrize("function", [takes_nothing, takes_by_name, takes_more])
def test_what_is_supplied_must_be_taken(function: Callable[..., object]) -> None:
    """A companion takes what it is given by position, as its first parameter."""
    with pytest.raises(DefinitionError, match="as its first parameter"):
        wire(function, supplied=1)


def test_what_is_supplied_may_be_one_of_many() -> None:
    """A companion that takes anything by position takes what it is given."""
    assert wire(takes_any, supplied=1) == Wiring(needs=())
