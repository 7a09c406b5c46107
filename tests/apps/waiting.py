"""Assets that wait; the environment says where their tokens go, and for how long."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

from flowstone import (
    Approval,
    Context,
    Flowstone,
    Pipeline,
    PostgresIO,
    Signal,
    SqlLedger,
    asset,
)
from flowstone.settings import Secrets


@asset
def answered(ctx: Context) -> int | Signal[int]:
    Path(os.environ["WAITING_TOKENS"]).write_text(ctx.token)
    return Signal()


@asset
def approved(ctx: Context) -> int | Approval[int]:
    with Path(os.environ["WAITING_TOKENS"]).with_name("asked").open("a") as log:
        log.write(f"{ctx.run_id}\n")
    seconds = float(os.environ.get("WAITING_SECONDS", "0"))
    return Approval(7, timeout=timedelta(seconds=seconds) if seconds else None)


@asset
def expiring() -> int | Signal[int]:
    return Signal(timeout=timedelta(seconds=float(os.environ["WAITING_SECONDS"])))


def make_app(name: str, url: str) -> Flowstone:
    """Make the app on a Postgres."""
    return Flowstone(
        name,
        Pipeline(answered, approved, expiring),
        io={"default": PostgresIO(url)},
        ledger=SqlLedger(url),
        secrets=Secrets({"test": b"a secret of the tests"}),
    )


app = make_app(
    os.environ.get("WAITING_NAME", "waiting"),
    os.environ.get("FLOWSTONE_LEDGER_URL", "postgresql://nobody@127.0.0.1:1/none"),
)
