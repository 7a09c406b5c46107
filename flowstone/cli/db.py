"""The ledger's schema."""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from flowstone.cli.loading import load
from flowstone.cli.parameters import AsJson, OptionalApp
from flowstone.cli.show import emit, say
from flowstone.core.errors import ConfigurationError

if TYPE_CHECKING:
    from flowstone.ledger.sql import SqlLedger

__all__ = ["check_ledger", "upgrade_ledger"]

Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="URL",
        help="The ledger; by default the app's own, else FLOWSTONE_LEDGER_URL.",
        show_default=False,
    ),
]


def upgrade_ledger(
    app: OptionalApp = None, url: Url = None, as_json: AsJson = False
) -> None:
    """Bring the ledger's schema to the revision that this release needs."""
    with closing(_ledger(app, url)) as ledger:
        before = ledger.database.revision()
        ledger.upgrade()
        where, now = ledger.database.where(), ledger.database.revision()
    if as_json:
        emit({"ledger": where, "before": before, "revision": now})
    elif before == now:
        say(f"{where}: at {now} already")
    else:
        say(f"{where}: from {before or 'no tables'} to {now}")


def check_ledger(
    app: OptionalApp = None, url: Url = None, as_json: AsJson = False
) -> None:
    """Tell whether the ledger has the schema that this release needs."""
    with closing(_ledger(app, url)) as ledger:
        ledger.check()
        where, now = ledger.database.where(), ledger.database.revision()
    if as_json:
        emit({"ledger": where, "revision": now})
    else:
        say(f"{where}: at {now}, as this release needs")


def _ledger(app: str | None, url: str | None) -> SqlLedger:
    own = load(app).ledger if app is not None and url is None else None
    if own is not None:
        return own
    from flowstone.ledger.sql import SqlLedger

    found = url or os.environ.get("FLOWSTONE_LEDGER_URL")
    if not found:
        raise ConfigurationError(
            problems=[
                "There is no ledger: give --url, set FLOWSTONE_LEDGER_URL, or name an "
                "app that has one."
            ]
        )
    return SqlLedger(found)
