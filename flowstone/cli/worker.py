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
from flowstone.cli.parameters import Address, App, AsJson, Namespace, Profile
from flowstone.cli.show import emit, say

__all__ = ["serving_line", "worker"]

Slots = Annotated[
    int | None,
    typer.Option(
        "--slots",
        min=1,
        max=1000,
        help="Packs at once; by default FLOWSTONE_WORKER_SLOTS, or 10.",
        show_default=False,
    ),
]
Drain = Annotated[
    str | None,
    typer.Option(
        "--drain",
        metavar="TIME",
        help="How long packs may go on after the signal to stop: 30, PT30S, 0:00:30; "
        "by default FLOWSTONE_WORKER_DRAIN, or 30.",
        show_default=False,
    ),
]
Sweep = Annotated[
    float | None,
    typer.Option(
        "--sweep-seconds",
        min=0.1,
        help="How often runs that nobody serves are looked for; by default "
        "FLOWSTONE_WORKER_SWEEP_SECONDS, or 60.",
        show_default=False,
    ),
]
BuildId = Annotated[
    str | None,
    typer.Option(
        "--build-id",
        metavar="VERSION",
        help="The worker's version, for Temporal's Worker Versioning; by default "
        "TEMPORAL_WORKER_BUILD_ID, or none.",
        show_default=False,
    ),
]
HealthPort = Annotated[
    int | None,
    typer.Option(
        "--health-port",
        min=0,
        max=65535,
        help="Where /healthz and /readyz are answered; by default "
        "FLOWSTONE_WORKER_HEALTH_PORT, or nowhere.",
        show_default=False,
    ),
]


def worker(
    app: App,
    address: Address = None,
    namespace: Namespace = None,
    profile: Profile = None,
    slots: Slots = None,
    drain: Drain = None,
    sweep_seconds: Sweep = None,
    health_port: HealthPort = None,
    build_id: BuildId = None,
    as_json: AsJson = False,
) -> None:
    """Serve an app's runs until SIGTERM or Ctrl-C; a second one ends it at once."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    given = None if drain is None else _duration(drain)
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
                profile=profile,
                slots=slots,
                drain=given,
                sweep_seconds=sweep_seconds,
                health_port=health_port,
                build=build_id,
                on_started=started,
            )
        )


def serving_line(app: str) -> str:
    """Give what a worker says when it polls."""
    return f"serving {app}"


def _duration(text: str) -> timedelta:
    from flowstone.settings import read_duration

    try:
        return read_duration(text)
    except ValueError as error:
        what = f"{text!r} is no time; write seconds, PT30S or 0:00:30"
        raise misuse(what, "--drain") from error
