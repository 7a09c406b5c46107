"""Serve an app: `python -m workers package.module:app`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys

from pydantic import ValidationError

from flowstone.core.errors import FlowstoneError
from flowstone.serving import load_app, serve_app
from workers.settings import WorkerSettings


def main() -> int:
    """Serve until told to stop; give the exit status."""
    parser = argparse.ArgumentParser(prog="python -m workers", description=__doc__)
    parser.add_argument("app", help="package.module:name")
    parser.add_argument("--address", help="Temporal's address")
    parser.add_argument("--namespace", help="Temporal's namespace")
    parser.add_argument("--slots", type=int, help="packs at once")
    parser.add_argument("--health-port", type=int, help="where probes are answered")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    try:
        overrides = {
            k: v
            for k, v in (("slots", given.slots), ("health_port", given.health_port))
            if v is not None
        }
        settings = WorkerSettings(**overrides)
        asyncio.run(
            serve_app(
                load_app(given.app),
                address=given.address,
                namespace=given.namespace,
                slots=settings.slots,
                drain=settings.drain,
                sweep_seconds=settings.sweep_seconds,
                health_port=settings.health_port,
                on_started=lambda: print(f"serving {given.app}", flush=True),  # noqa: T201
            )
        )
    except (FlowstoneError, ValidationError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.path.insert(0, os.getcwd())
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Temporal's runtime may abort an interpreter that ends while its threads live.
    os._exit(status)
