"""Serve the callback endpoint of an app."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Annotated

import typer

from flowstone.cli.loading import load
from flowstone.cli.parameters import Address, App, AsJson, Local, Namespace, Profile
from flowstone.cli.show import emit, say
from flowstone.core.errors import ConfigurationError

if TYPE_CHECKING:
    from flowstone.app import Flowstone

__all__ = ["PORT", "listening_line", "serve"]

PORT = 8484
"""Where it listens if nothing else is said."""

Host = Annotated[str, typer.Option("--host", metavar="HOST", help="Where to listen.")]
Port = Annotated[
    int,
    typer.Option("--port", min=0, max=65535, help="The port; 0 takes a free one."),
]


def serve(
    app: App,
    host: Host = "127.0.0.1",
    port: Port = PORT,
    address: Address = None,
    namespace: Namespace = None,
    profile: Profile = None,
    local: Local = None,
    as_json: AsJson = False,
) -> None:
    """Take answers to gates over HTTP, until SIGTERM or Ctrl-C; several may run.

    Answers are posted to what ctx.callback_url gave. /health/live and /health/ready
    are for probes.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    owner, answers = load(app), sys.stdout
    _check_extra()

    def started(where: str) -> None:
        with redirect_stdout(answers):
            if as_json:
                facts = {"app": app, "state": "serving", "pid": os.getpid()}
                emit({**facts, "url": where})
            else:
                say(listening_line(app, where))
            answers.flush()

    async def served(owner: Flowstone) -> None:
        from flowstone.console import serve_console

        opening = (
            owner.connect(address, namespace=namespace, profile=profile)
            if local is None
            else owner.local(local or None)
        )
        async with opening as stone:
            await serve_console(stone, host=host, port=port, on_started=started)

    with redirect_stdout(sys.stderr):
        asyncio.run(served(owner))


def listening_line(app: str, where: str) -> str:
    """Give what an endpoint says when it listens."""
    return f"taking answers for {app} at {where}"


def _check_extra() -> None:
    try:
        import starlette
        import uvicorn
    except ModuleNotFoundError as error:
        problem = (
            f"`flowstone serve` needs {error.name}, which is not here: "
            "pip install 'flowstone[serve]'."
        )
        raise ConfigurationError(problems=[problem]) from error
    del starlette, uvicorn
