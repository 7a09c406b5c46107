"""Each setting, and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from flowstone.cli.ending import REFUSED
from flowstone.cli.loading import load
from flowstone.cli.parameters import AsJson, OptionalApp, Profile
from flowstone.cli.show import emit, table
from flowstone.core.errors import ConfigurationError
from flowstone.core.text import MASK

if TYPE_CHECKING:
    from flowstone.app import Flowstone
    from flowstone.settings import Setting

__all__ = ["config"]


def config(
    app: OptionalApp = None, profile: Profile = None, as_json: AsJson = False
) -> None:
    """Show each setting: its value, secrets masked, and where that comes from.

    The exit status is 2 where one cannot be.
    """
    owner = None if app is None else load(app)
    from flowstone.settings import Settings

    rows = [*Settings.shown(_given(owner)), *_of_app(owner)]
    problems = [row.problem for row in rows if row.problem]
    try:
        rows += _of_temporal(profile)
    except ConfigurationError as error:
        problems += error.problems
    strangers = Settings.strangers()
    if as_json:
        settings = [asdict(row) for row in rows]
        emit({"settings": settings, "problems": problems, "strangers": strangers})
        raise typer.Exit(REFUSED if problems else 0)
    _say(rows)
    for name in strangers:
        typer.echo(f"warning: {name}", err=True)
    if problems:
        raise ConfigurationError(problems=problems)


def _say(rows: Sequence[Setting]) -> None:
    table(
        ["setting", "value", "from", "for"],
        [[row.name, row.value, row.source, row.about] for row in rows],
    )


def _given(owner: Flowstone | None) -> Mapping[str, str]:
    """Give what the app was given in code, in place of settings."""
    given: dict[str, str] = {}
    if owner is not None and owner.ledger is not None:
        given["ledger_url"] = owner.ledger.database.where()
    if owner is not None and owner.secrets is not None:
        keys = (f"{name}:{MASK}" for name in owner.secrets.signing_keys)
        given["signing_keys"] = ", ".join(keys)
    return given


def _of_app(owner: Flowstone | None) -> list[Setting]:
    """Give what else the app was given; of a thing its class alone is shown."""
    if owner is None:
        return []
    from flowstone.settings import Setting

    parts = {"io": owner.io, "resources": owner.resources}
    rows = [
        Setting(
            name=f"{part}[{name!r}]",
            value=type(thing).__name__,
            source="code",
            about=f"given to the app {owner.name!r}",
        )
        for part, things in parts.items()
        for name, thing in things.items()
    ]
    if "default" not in owner.io:
        about = "keeps what names no manager; in this process other ones do"
        rows.append(
            Setting(
                name="io['default']", value="PostgresIO", source="default", about=about
            )
        )
    return rows


def _of_temporal(profile: str | None) -> list[Setting]:
    from flowstone.engines.temporal.connect import shown_connection

    return shown_connection(profile)
