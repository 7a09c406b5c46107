"""The testing kit: call one asset, open an app, disturb it, turn its clock.

Its fixtures come with the plugin of pytest, `flowstone.testing.plugin`. Importing this
costs nothing: each part comes with its first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowstone.testing.apps import app_of, local_twin
    from flowstone.testing.asserting import (
        assert_golden,
        assert_lineage,
        assert_materialized,
        assert_not_materialized,
    )
    from flowstone.testing.calling import call
    from flowstone.testing.capturing import Captured, capture_events
    from flowstone.testing.conformance import io_conformance
    from flowstone.testing.contexts import FakeContext, fake_context
    from flowstone.testing.disturbing import (
        Disturbance,
        TroubledIO,
        crash_at,
        freeze_at,
    )
    from flowstone.testing.replaying import replay
    from flowstone.testing.servers import Served, Servers, open_served, start_servers
    from flowstone.testing.skipping import Clock
    from flowstone.testing.working import WorkerProcess, worker_process

__all__ = [
    "Captured",
    "Clock",
    "Disturbance",
    "FakeContext",
    "Served",
    "Servers",
    "TroubledIO",
    "WorkerProcess",
    "app_of",
    "assert_golden",
    "assert_lineage",
    "assert_materialized",
    "assert_not_materialized",
    "call",
    "capture_events",
    "crash_at",
    "fake_context",
    "freeze_at",
    "io_conformance",
    "local_twin",
    "open_served",
    "replay",
    "start_servers",
    "worker_process",
]

_HOMES = {
    "Captured": "capturing",
    "Clock": "skipping",
    "Disturbance": "disturbing",
    "FakeContext": "contexts",
    "Served": "servers",
    "Servers": "servers",
    "TroubledIO": "disturbing",
    "WorkerProcess": "working",
    "app_of": "apps",
    "assert_golden": "asserting",
    "assert_lineage": "asserting",
    "assert_materialized": "asserting",
    "assert_not_materialized": "asserting",
    "call": "calling",
    "capture_events": "capturing",
    "crash_at": "disturbing",
    "fake_context": "contexts",
    "freeze_at": "disturbing",
    "io_conformance": "conformance",
    "local_twin": "apps",
    "open_served": "servers",
    "replay": "replaying",
    "start_servers": "servers",
    "worker_process": "working",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
