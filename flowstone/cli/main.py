"""The command line: which commands there are, and the one way in and out."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, NoReturn

import typer

from flowstone.cli.approvals import (
    approve,
    escalate,
    list_approvals,
    recompute,
    reject,
)
from flowstone.cli.backfill import backfill
from flowstone.cli.catalog import show_status, show_value
from flowstone.cli.config import config
from flowstone.cli.db import check_ledger, upgrade_ledger
from flowstone.cli.dev import dev
from flowstone.cli.doctor import doctor
from flowstone.cli.ending import INTERRUPTED, Interrupted, leave, report
from flowstone.cli.gates import (
    list_deliveries,
    list_gates,
    redeliver,
    signal_gate,
)
from flowstone.cli.graph import graph
from flowstone.cli.later import LATER, refusal
from flowstone.cli.line import Line, read_line
from flowstone.cli.lineage import show_downstream, show_impact, show_upstream
from flowstone.cli.materialize import materialize
from flowstone.cli.runs import (
    cancel_run,
    list_runs,
    show_events,
    show_run,
    wait_for_run,
)
from flowstone.cli.schedules import (
    apply_schedules,
    backfill_schedule,
    list_schedules,
    pause_schedule,
    resume_schedule,
    trigger_schedule,
)
from flowstone.cli.sensors import (
    list_sensors,
    pause_sensor,
    preview_sensor,
    resume_sensor,
    show_ticks,
    tick_sensor,
)
from flowstone.cli.serve import serve
from flowstone.cli.show import say
from flowstone.cli.worker import worker

__all__ = ["main", "run"]

_GROUPS = {
    "runs": (
        "See runs, wait for them, stop them.",
        {
            "list": list_runs,
            "show": show_run,
            "events": show_events,
            "wait": wait_for_run,
            "cancel": cancel_run,
        },
    ),
    "lineage": (
        "See what made what.",
        {
            "upstream": show_upstream,
            "downstream": show_downstream,
            "impact": show_impact,
        },
    ),
    "approvals": (
        "See what waits for a decision, and decide.",
        {
            "list": list_approvals,
            "approve": approve,
            "reject": reject,
            "escalate": escalate,
            "recompute": recompute,
        },
    ),
    "gates": (
        "See what waits for an answer, and answer.",
        {
            "list": list_gates,
            "signal": signal_gate,
            "deliveries": list_deliveries,
            "redeliver": redeliver,
        },
    ),
    "schedules": (
        "See and steer what starts by the clock.",
        {
            "list": list_schedules,
            "apply": apply_schedules,
            "pause": pause_schedule,
            "resume": resume_schedule,
            "trigger": trigger_schedule,
            "backfill": backfill_schedule,
        },
    ),
    "sensors": (
        "See and steer what starts on news.",
        {
            "list": list_sensors,
            "ticks": show_ticks,
            "tick": tick_sensor,
            "test": preview_sensor,
            "pause": pause_sensor,
            "resume": resume_sensor,
        },
    ),
    "db": (
        "Look after the ledger's schema.",
        {"upgrade": upgrade_ledger, "check": check_ledger},
    ),
}
_PANELS = {
    "Run": {"dev": dev, "worker": worker, "serve": serve},
    "Make": {"materialize": materialize, "backfill": backfill},
    "Look": {"status": show_status, "value": show_value, "graph": graph},
    "Look after": {"doctor": doctor, "config": config},
}


def run() -> NoReturn:
    """Do what was typed, and end the process."""
    leave(main(sys.argv[1:], os.environ))


def main(typed: Sequence[str], environ: Mapping[str, str]) -> int:
    """Do what was typed, and give the exit status."""
    line = Line.plain(typed)
    try:
        line = read_line(typed, environ, _GROUPS)
        command = typer.main.get_command(_commands())
        status = command.main(
            list(line.words), prog_name="flowstone", standalone_mode=False
        )
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 0
    except Exception as error:  # noqa: BLE001 - the last one who can say what happened
        return report(error, line)
    if status == INTERRUPTED:
        return report(Interrupted(), line)
    return status if isinstance(status, int) else 0


def _commands() -> typer.Typer:
    app = typer.Typer(add_completion=False, no_args_is_help=True)
    app.callback()(_everything)
    for panel, commands in _PANELS.items():
        for name, command in commands.items():
            app.command(name, rich_help_panel=panel)(command)
    for name, (purpose, commands) in _GROUPS.items():
        group = typer.Typer(help=purpose, no_args_is_help=True)
        for word, command in commands.items():
            group.command(word)(command)
        app.add_typer(group, name=name, rich_help_panel="Look")
    for name in LATER:
        settings = {"ignore_unknown_options": True}
        app.command(name, rich_help_panel="Not built yet", context_settings=settings)(
            refusal(name)
        )
    return app


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        say(f"flowstone {version('flowstone')}")
        raise typer.Exit


def _everything(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            is_eager=True,
            callback=_show_version,
            help="Say which release this is.",
        ),
    ] = False,
    app: Annotated[
        str | None,
        typer.Option(
            "--app",
            metavar="MODULE:NAME",
            envvar="FLOWSTONE_APP",
            help="The app, anywhere on the line; then the first argument is not it.",
        ),
    ] = None,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks; anywhere on the line.")
    ] = False,
) -> None:
    """Data assets first, every run durable."""
    del version, app, debug  # the line was read before
