"""An app that is deployed again and again; the environment says with which code."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

from flowstone import (
    Context,
    Flowstone,
    Pipeline,
    PostgresIO,
    Schedule,
    Signal,
    SqlLedger,
    asset,
)
from flowstone.settings import Secrets

CODE = os.environ.get("DEPLOYED_CODE", "1")


@asset(version=CODE)
def asked(ctx: Context) -> str | Signal[str]:
    Path(os.environ["DEPLOYED_TOKEN"]).write_text(ctx.token)
    return Signal(timeout=timedelta(days=30))


@asked.on_signal
def answered(payload: int) -> str:
    return f"{payload} by code {CODE}"


@asset(version=CODE)
def told(asked: str) -> str:
    return f"{asked}, told by code {CODE}"


def make_app(name: str, url: str) -> Flowstone:
    """Make the app on a Postgres."""
    return Flowstone(
        name,
        Pipeline(asked, told),
        schedules=[Schedule(told, cron="0 6 * * *", partition=None)],
        io={"default": PostgresIO(url)},
        ledger=SqlLedger(url),
        secrets=Secrets({"test": b"a secret of the tests"}),
    )


app = make_app(
    os.environ.get("DEPLOYED_NAME", "deployed"),
    os.environ.get("FLOWSTONE_LEDGER_URL", "postgresql://nobody@127.0.0.1:1/none"),
)
