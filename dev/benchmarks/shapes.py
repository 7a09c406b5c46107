"""The shapes of the benchmark, and the app of trivial assets that has them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from inspect import Parameter

from flowstone import Asset, Flowstone, Pipeline, asset

__all__ = ["SHAPES", "Shape", "app", "chain", "make_app"]

_LINKS = 100
_SHORT = 5
_BRANCHES = 100

AnyAsset = Asset[..., object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What is run: so many runs at once, each of so many nodes.

    Attributes:
        name: how it is asked for.
        title: what people read.
        target: the asset that Flowstone is asked for.
        nodes: how many steps one run has.
        runs: how many runs there are at once.
    """

    name: str
    title: str
    target: str
    nodes: int
    runs: int = 1


SHAPES = (
    Shape(
        name="chain",
        title=f"chain of {_LINKS}",
        target=f"link_{_LINKS - 1:03}",
        nodes=_LINKS,
    ),
    Shape(name="fan", title=f"fan of {_BRANCHES}", target="join", nodes=_BRANCHES + 1),
    Shape(
        name="runs",
        title=f"100 runs of {_SHORT}",
        target=f"link_{_SHORT - 1:03}",
        nodes=_SHORT,
        runs=100,
    ),
)


def make_app() -> Flowstone:
    """Put the assets of every shape into one app."""
    links = chain(_LINKS)
    branches = [_branch(number) for number in range(_BRANCHES)]
    return Flowstone("bench", Pipeline(*links, *branches, _join(branches)))


def chain(length: int) -> list[AnyAsset]:
    """Give assets of which each reads the one before it."""
    return [_link(number) for number in range(length)]


def _link(number: int) -> AnyAsset:
    if not number:
        return asset(name="link_000")(_first)

    def make(before: int) -> int:
        return before + 1

    before = {"before": f"link_{number - 1:03}"}
    return asset(name=f"link_{number:03}", needs=before)(make)


def _first() -> int:
    return 1


def _branch(number: int) -> AnyAsset:
    def make() -> int:
        return number

    return asset(name=f"branch_{number:03}")(make)


def _join(branches: list[AnyAsset]) -> AnyAsset:
    def join(**values: int) -> int:
        return sum(values.values())

    # As if each branch were written out as a parameter of its own.
    parameters = [Parameter(b.name, Parameter.KEYWORD_ONLY) for b in branches]
    signed: Callable[..., int] = join
    vars(signed)["__signature__"] = inspect.Signature(parameters)
    return asset(name="join")(signed)


app = make_app()
