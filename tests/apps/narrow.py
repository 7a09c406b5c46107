"""The crashy app as an older deployment has it: it lacks most assets."""

from __future__ import annotations

import os

from flowstone import Flowstone, Pipeline, PostgresIO, SqlLedger, asset


@asset
def first() -> list[str]:
    return ["another code than the one planned with"]


_URL = os.environ.get("FLOWSTONE_LEDGER_URL", "postgresql://nobody@127.0.0.1:1/none")

app = Flowstone(
    os.environ.get("CRASHY_NAME", "crashy"),
    Pipeline(first),
    io={"default": PostgresIO(_URL)},
    ledger=SqlLedger(_URL),
)
