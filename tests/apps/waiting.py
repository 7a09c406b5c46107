"""An asset that waits for an answer; the environment says where its token goes."""

from __future__ import annotations

import os
from pathlib import Path

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


@asset
def answered(ctx: Context) -> int | Signal[int]:
    Path(os.environ["WAITING_TOKENS"]).write_text(ctx.token)
    return Signal()


def make_app(name: str, url: str) -> Flowstone:
    """Make the app on a Postgres."""
    return Flowstone(
        name,
        Pipeline(answered),
        io={"default": PostgresIO(url)},
        ledger=SqlLedger(url),
        secrets=Secrets({"test": b"a secret of the tests"}),
    )


app = make_app(
    os.environ.get("WAITING_NAME", "waiting"),
    os.environ.get("FLOWSTONE_LEDGER_URL", "postgresql://nobody@127.0.0.1:1/none"),
)
