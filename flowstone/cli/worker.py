"""Serve an app."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from contextlib import redirect_stdout
from datetime import timedelta
from typing import Annotated

import typer

from flowstone.cli.ending import misuse
from flowstone.cli.loading import load
from flowstone.cli.parameters import App, AsJson
from flowstone.cli.show import emit, say

__all__ = ["serving_line", "worker"]

_PREFIX = "FLOWSTONE_WORKER_"

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
Slots = Annotated[
    int,
    typer.Option(
        "--slots", min=1, max=1000, envvar=f"{_PREFIX}SLOTS", help="Packs at once."
    ),
]
Drain = Annotated[
    str,
    typer.Option(
        "--drain",
        metavar="TIME",
        envvar=f"{_PREFIX}DRAIN",
        help="How long packs may go on after the signal to stop: 30, PT30S, 0:00:30.",
    ),
]
Sweep = Annotated[
    float,
    typer.Option(
        "--sweep-seconds",
        min=0.1,
        envvar=f"{_PREFIX}SWEEP_SECONDS",
        help="How often runs that nobody serves are looked for.",
    ),
]
HealthPort = Annotated[
    int | None,
    typer.Option(
        "--health-port",
        min=0,
        max=65535,
        envvar=f"{_PREFIX}HEALTH_PORT",
        help="Where /healthz and /readyz are answered.",
        show_default=False,
    ),
]


def worker(
    app: App,
    address: Address = None,
    namespace: Namespace = None,
    slots: Slots = 10,
    drain: Drain = "30",
    sweep_seconds: Sweep = 60.0,
    health_port: HealthPort = None,
    as_json: AsJson = False,
) -> None:
    """Serve an app's runs until SIGTERM or Ctrl-C; a second one ends it at once."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    owner, answers = load(app), sys.stdout
    from flowstone.serving import serve_app  # after what may be refused at once

    def started() -> None:
        with redirect_stdout(answers):
            if as_json:
                emit({"app": app, "state": "serving", "pid": os.getpid()})
            else:
                say(serving_line(app))
            answers.flush()

    with redirect_stdout(sys.stderr):
        asyncio.run(
            serve_app(
                owner,
                address=address,
                namespace=namespace,
                slots=slots,
                drain=_duration(drain),
                sweep_seconds=sweep_seconds,
                health_port=health_port,
                on_started=started,
            )
        )


def serving_line(app: str) -> str:
    """Give what a worker says when it polls."""
    return f"serving {app}"


def _duration(text: str) -> timedelta:
    from pydantic import TypeAdapter, ValidationError

    plain = text.replace(".", "", 1).isdecimal()
    try:
        return TypeAdapter(timedelta).validate_python(float(text) if plain else text)
    except ValidationError as error:
        what = f"{text!r} is no time; write seconds, PT30S or 0:00:30"
        raise misuse(what, "--drain") from error
