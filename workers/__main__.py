"""Serve an app: `python -m workers package.module:app`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys

from flowstone.core.errors import FlowstoneError
from flowstone.serving import load_app, serve_app


def main() -> int:
    """Serve until told to stop; give the exit status."""
    parser = argparse.ArgumentParser(prog="python -m workers", description=__doc__)
    parser.add_argument("app", help="package.module:name")
    parser.add_argument("--address", help="Temporal's address")
    parser.add_argument("--namespace", help="Temporal's namespace")
    parser.add_argument("--profile", help="of Temporal's configuration file")
    parser.add_argument("--slots", type=int, help="packs at once")
    parser.add_argument("--health-port", type=int, help="where probes are answered")
    parser.add_argument("--build-id", help="the version, for Worker Versioning")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    try:
        asyncio.run(
            serve_app(
                load_app(given.app),
                address=given.address,
                namespace=given.namespace,
                profile=given.profile,
                slots=given.slots,
                health_port=given.health_port,
                build=given.build_id,
                on_started=lambda: print(f"serving {given.app}", flush=True),  # noqa: T201
            )
        )
    except FlowstoneError as error:
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
