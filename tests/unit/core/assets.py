"""Assets made from names."""

from __future__ import annotations

import inspect
from inspect import Parameter
from typing import cast

from flowstone.core.asset import Asset, asset
from flowstone.core.policy import Retry
from flowstone.core.space import Space

__all__ = ["made"]


def made(
    name: str,
    *needs: str,
    optional: tuple[str, ...] = (),
    after: tuple[str, ...] = (),
    partitions: Space | None = None,
    retry: Retry | None = None,
    io: str = "default",
) -> Asset[..., object]:
    """Make an asset that needs others, by parameters of their names."""

    def function(**found: object) -> object:
        return found

    parameters = [
        Parameter(
            need,
            Parameter.KEYWORD_ONLY,
            default=None if need in optional else Parameter.empty,
        )
        for need in needs
    ]
    function.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportFunctionMemberAccess] - it is read by inspect
    declared = asset(
        name=name, after=after, partitions=partitions, retry=retry, io=io, version="1"
    )(function)
    return cast("Asset[..., object]", declared)
