"""Assets that are called back; the environment says where their URLs are written."""

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
def called(ctx: Context) -> Signal[int]:
    folder = Path(os.environ["CALLED_FOLDER"])
    (folder / f"{ctx.partition}.new").write_text(ctx.callback_url)
    (folder / f"{ctx.partition}.new").rename(folder / f"{ctx.partition}.url")
    return Signal()


@called.on_signal
def call_taken(payload: int, ctx: Context) -> int:
    with (Path(os.environ["CALLED_FOLDER"]) / "taken").open("a") as log:
        log.write(f"{ctx.partition}={payload}\n")
    return payload


@asset
def quick() -> int:
    return 1


def make_app(name: str, url: str) -> Flowstone:
    """Make the app on a Postgres."""
    return Flowstone(
        name,
        Pipeline(called, quick),
        io={"default": PostgresIO(url)},
        ledger=SqlLedger(url),
        secrets=Secrets({"test": b"a secret of the tests"}),
    )


app = make_app(
    os.environ.get("CALLED_NAME", "called"),
    os.environ.get("FLOWSTONE_LEDGER_URL", "postgresql://nobody@127.0.0.1:1/none"),
)
