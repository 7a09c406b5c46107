"""What many commands take."""

from __future__ import annotations

from typing import Annotated

import typer

from flowstone.cli.ending import misuse

__all__ = [
    "Address",
    "App",
    "AsJson",
    "AssetName",
    "Local",
    "Namespace",
    "NoWait",
    "OptionalApp",
    "Partition",
    "Policy",
    "Profile",
    "RunId",
    "UserKey",
    "Version",
    "check_waits",
]

_APP = "module:name; left out where --app or FLOWSTONE_APP says it."

App = Annotated[
    str, typer.Argument(metavar="APP", help=f"The app: {_APP}", show_default=False)
]
OptionalApp = Annotated[
    str | None,
    typer.Argument(metavar="[APP]", help=f"The app: {_APP}", show_default=False),
]
AssetName = Annotated[
    str, typer.Argument(metavar="ASSET", help="The asset's name.", show_default=False)
]
RunId = Annotated[
    str, typer.Argument(metavar="RUN", help="The run's id.", show_default=False)
]
Partition = Annotated[
    str | None,
    typer.Option(
        "--partition",
        "-p",
        metavar="TEXT",
        help="The key: 2025-01-15, 2025-01-15T14:00:00Z, 7, eu, '(2025-01-15,eu)' or "
        "'{date=2025-01-15,region=eu}'.",
    ),
]
Policy = Annotated[
    str,
    typer.Option(
        "--policy",
        metavar="always|missing",
        help="When a value that exists is made again.",
    ),
]
UserKey = Annotated[
    str | None,
    typer.Option(
        "--key",
        metavar="TEXT",
        help="Yours for this request: the same one later gives the same run.",
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="HOST:PORT",
        help="Temporal's; by default TEMPORAL_ADDRESS, or its own configuration.",
        show_default=False,
    ),
]
Namespace = Annotated[
    str | None,
    typer.Option("--namespace", metavar="NAME", help="Temporal's.", show_default=False),
]
Profile = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="NAME",
        help="Which one of Temporal's configuration file; by default TEMPORAL_PROFILE.",
        show_default=False,
    ),
]
Local = Annotated[
    str | None,
    typer.Option(
        "--local",
        metavar="[FOLDER]",
        help="In this process, without a server; what it makes is kept in FOLDER, "
        "or not at all.",
    ),
]
NoWait = Annotated[
    bool, typer.Option("--no-wait", help="Start it, and say which run it is.")
]
Version = Annotated[
    str | None,
    typer.Option(
        "--version",
        metavar="ID",
        help="The version; by default the one that readers see now.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]


def check_waits(*, no_wait: bool, local: str | None) -> None:
    """Refuse not to wait for a run that ends with this process.

    Raises:
        BadParameter: both were given.
    """
    if no_wait and local is not None:
        what = "a run in this process ends with it; leave one of the two out"
        raise misuse(what, "--no-wait", "--local")
