"""The process behind `worker_process`: `python -m flowstone.testing.worker shop:app`."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from datetime import timedelta

from flowstone.core.errors import FlowstoneError
from flowstone.serving import load_app, serve_app

__all__ = ["main"]

_SWEEP, _DRAIN = 1.0, timedelta(seconds=5)
"""A test waits for nothing longer than it must."""


def main(words: list[str]) -> int:
    """Serve the app that is named, until told to stop; give the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    [name] = words
    try:
        asyncio.run(
            serve_app(
                load_app(name),
                drain=_DRAIN,
                sweep_seconds=_SWEEP,
                on_started=lambda: print(f"serving {name}", flush=True),  # noqa: T201
            )
        )
    except FlowstoneError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    # Temporal's runtime may abort an interpreter that ends while its threads live.
    os._exit(status)
