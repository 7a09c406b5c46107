"""An app that waits for callbacks, and makes short chains beside that.

Each gate writes its key and its callback's URL to the file that the environment names.
"""

from __future__ import annotations

import os

from dev.benchmarks.shapes import SHAPES, chain
from flowstone import (
    Context,
    Flowstone,
    Pipeline,
    PostgresIO,
    Signal,
    SqlLedger,
    asset,
)
from flowstone.settings import Secrets

__all__ = ["CHAIN", "URLS", "app", "asked", "make_app"]

URLS = "PARKED_URLS"
CHAIN = next(shape for shape in SHAPES if shape.name == "runs")


@asset
def asked(ctx: Context) -> Signal[int]:
    """Wait for an answer, for as long as it takes."""
    line = f"{ctx.partition} {ctx.callback_url}\n".encode()
    file = os.open(os.environ[URLS], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        # Short lines are appended whole, whoever else writes.
        os.write(file, line)
    finally:
        os.close(file)
    return Signal()


def make_app(url: str) -> Flowstone:
    """Make the app on a Postgres."""
    return Flowstone(
        "parked",
        Pipeline(*chain(CHAIN.nodes), asked),
        io={"default": PostgresIO(url)},
        ledger=SqlLedger(url),
        secrets=Secrets({"bench": b"a key of the benchmark alone"}),
    )


app = make_app(
    os.environ.get("FLOWSTONE_LEDGER_URL", "postgresql://nobody@127.0.0.1:1/none")
)
