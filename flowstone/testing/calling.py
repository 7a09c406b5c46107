"""Call one asset with what the test says it reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from flowstone.core.asset import Asset
from flowstone.core.text import closest
from flowstone.core.wiring import CONTEXT, Need
from flowstone.steps.context import Context
from flowstone.testing.contexts import fake_context

__all__ = ["call"]

R = TypeVar("R")


def call(asset: Asset[..., R], /, *, ctx: Context | None = None, **deps: object) -> R:
    """Call an asset's function with these dependencies, and nothing else.

    Nothing is stored and nothing is looked up, so two calls with different fakes do
    not see each other. What is left out must be optional. Of an `async def` asset it
    gives the coroutine: `await call(...)`, or `asyncio.run(call(...))`.

    Args:
        asset: the asset.
        ctx: its context; by default one of `fake_context`, where it takes one.
        **deps: what its parameters are given; `None` is a value.

    Raises:
        TypeError: a dependency is missing, or is none of the asset's; all at once.

    Example:
        >>> from flowstone import asset
        >>> from flowstone.testing import call
        >>> @asset
        ... def report(cleaned: list[int], title: str = "rows") -> str:
        ...     return f"{len(cleaned)} {title}"
        >>> call(report, cleaned=[1, 2])
        '2 rows'
    """
    if not isinstance(asset, Asset):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"call() takes an asset, not {asset!r}: call it yourself.")
    arguments: dict[str, Any] = dict(deps)
    problems = [*_missing(asset, deps), *_unknown(asset, deps)]
    if asset.wiring.takes_context:
        arguments[CONTEXT] = ctx or fake_context(asset)
    elif ctx is not None:
        problems.append("it takes no ctx")
    if problems:
        raise TypeError(f"call({asset.name!r}): {'; '.join(problems)}.")
    return asset.function(**arguments)


def _reads(asset: Asset[..., object]) -> list[Need]:
    return [need for need in asset.wiring.needs if need.loads]


def _missing(asset: Asset[..., object], deps: Mapping[str, object]) -> list[str]:
    return [
        f"it needs {need.parameter}=..."
        for need in _reads(asset)
        if not need.optional and need.parameter not in deps
    ]


def _unknown(asset: Asset[..., object], deps: Mapping[str, object]) -> list[str]:
    parameters = {need.parameter: need.asset for need in _reads(asset)}
    return [
        f"it takes no {name!r}{_hint(name, parameters)}"
        for name in deps
        if name not in parameters
    ]


def _hint(name: str, parameters: Mapping[str, str]) -> str:
    """Say what was meant: a parameter's asset, or a misspelt parameter."""
    for parameter, asset in parameters.items():
        if asset == name:
            return f", which it reads as {parameter!r}"
    meant = closest(name, parameters)
    return f" (did you mean {meant!r}?)" if meant else ""
