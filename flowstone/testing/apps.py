"""Which app a test is about, and how it is opened without touching the world."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import cast

from flowstone.app import Flowstone
from flowstone.core.pipeline import AnyAsset, Pipeline
from flowstone.io.base import IOManager
from flowstone.io.memory import MemoryIO
from flowstone.resources import overridden
from flowstone.serving import load_app

__all__ = ["app_of", "local_twin"]


def app_of(*given: Flowstone | Pipeline | AnyAsset | str) -> Flowstone:
    """Give an app: itself, its `package.module:name`, or one of these assets.

    Raises:
        ConfigurationError: there is no such app.
        DefinitionError: the assets make no pipeline.
    """
    [first, *others] = given
    if isinstance(first, Flowstone):
        return first
    if isinstance(first, str) and not others:
        return load_app(first)
    if isinstance(first, Pipeline):
        return Flowstone("test", first)
    return Flowstone("test", Pipeline(*cast("tuple[AnyAsset, ...]", given)))


def local_twin(
    app: Flowstone,
    io: Mapping[str, IOManager],
    *,
    resources: Mapping[str, object] | None = None,
) -> Flowstone:
    """Give the same app, whose facts and values stay in this process.

    Args:
        app: the app.
        io: managers to use, by name; all others are in memory.
        resources: what replaces some of the app's.

    Raises:
        ConfigurationError: a resource replaces none, or does not fit its assets.
    """
    twin = copy.copy(app)
    twin.ledger = None
    twin.resources = overridden(app.pipeline, app.resources, resources)
    twin.io = {name: MemoryIO() for name in app.io} | dict(io)
    return twin
