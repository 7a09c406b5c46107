"""The embedded stack and a worker, for as long as somebody works with them."""

from __future__ import annotations

import os
import secrets
import signal
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from flowstone.cli.parameters import AsJson, OptionalApp
from flowstone.cli.serve import PORT, listening_line
from flowstone.cli.show import emit, say
from flowstone.cli.worker import serving_line
from flowstone.core.errors import ConfigurationError

if TYPE_CHECKING:
    from flowstone.cli.attending import Attended
    from flowstone.stack import Stack

__all__ = ["dev"]

_LOOK_EVERY = 0.2
_KEYS = "FLOWSTONE_SIGNING_KEYS"
_CALLBACKS = "FLOWSTONE_CALLBACK_URL"

Folder = Annotated[
    Path,
    typer.Option("--folder", metavar="FOLDER", help="Where data and logs are kept."),
]
Temporal = Annotated[
    str | None,
    typer.Option(
        "--temporal",
        metavar="HOST:PORT",
        help="A Temporal that runs already, to use instead.",
    ),
]
LedgerUrl = Annotated[
    str | None,
    typer.Option(
        "--ledger-url",
        metavar="URL",
        help="A PostgreSQL that runs already, to use instead.",
    ),
]
WithS3 = Annotated[bool, typer.Option("--s3", help="Run an S3 too.")]
S3Endpoint = Annotated[
    str | None,
    typer.Option(
        "--s3-endpoint",
        metavar="URL",
        envvar="FLOWSTONE_S3_ENDPOINT",
        show_envvar=False,
        help="An S3 that runs already, to use instead; FLOWSTONE_S3_ENDPOINT too.",
    ),
]


def dev(
    app: OptionalApp = None,
    folder: Folder = Path(".flowstone/dev"),
    temporal: Temporal = None,
    ledger_url: LedgerUrl = None,
    s3: WithS3 = False,
    s3_endpoint: S3Endpoint = None,
    as_json: AsJson = False,
) -> None:
    """Run Temporal, PostgreSQL, a worker and a callback endpoint, until Ctrl-C.

    Data stay in the folder; no process is left, whatever ends this one.
    """
    from flowstone.stack import Stack

    stack = Stack(
        folder,
        temporal=temporal,
        ledger_url=ledger_url,
        s3=s3,
        s3_endpoint=s3_endpoint,
    )
    try:
        with _stoppable(), ExitStack() as running:
            running.enter_context(stack)
            _upgrade(stack.ledger_url)
            exports = _exports(stack, folder)
            attended: list[Attended] = []
            if app is not None:
                port = _port(folder)
                local = f"http://127.0.0.1:{port}"
                exports[_CALLBACKS] = os.environ.get(_CALLBACKS) or local
                attended = _attended(app, port, folder.resolve(), exports, running)
            _answer(stack, exports, attended, app, as_json=as_json)
            _attend(stack, attended)
    except KeyboardInterrupt:
        typer.echo("stopped", err=True)


@contextmanager
def _stoppable() -> Generator[None]:
    """Take every polite signal as Ctrl-C; a second one ends the process at once."""
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def stop(number: int, frame: object) -> NoReturn:
        del number, frame
        for one in signals:
            signal.signal(one, signal.SIG_DFL)
        typer.echo("stopping", err=True)
        raise KeyboardInterrupt

    before = {one: signal.signal(one, stop) for one in signals}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _upgrade(url: str) -> None:
    from flowstone.ledger.sql import SqlLedger

    with closing(SqlLedger(url)) as ledger:
        ledger.upgrade()


def _exports(stack: Stack, folder: Path) -> dict[str, str]:
    found = stack.environment()
    if stack.ui_url is not None:
        found["TEMPORAL_UI_ADDRESS"] = stack.ui_url
    return {**found, _KEYS: os.environ.get(_KEYS) or _signing_keys(folder)}


def _signing_keys(folder: Path) -> str:
    """Give the key that signs the tokens of gates, the same at every start."""
    file = folder / "signing-keys"
    folder.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as opened:
            opened.write(f"dev:{secrets.token_hex(32)}")
    return file.read_text()


def _port(folder: Path) -> int:
    """Give where the endpoint listens: where it did before, if that is free."""
    from flowstone.stack.ports import free_port, is_free

    file = folder / "callback-port"
    folder.mkdir(parents=True, exist_ok=True)
    before = file.read_text() if file.exists() else ""
    port = int(before) if before.isdecimal() else PORT
    port = port if is_free(port) else free_port(but=set())
    file.write_text(str(port))
    return port


def _attended(
    app: str, port: int, folder: Path, exports: Mapping[str, str], running: ExitStack
) -> list[Attended]:
    """Start a worker and an endpoint."""
    from flowstone.cli.attending import Attended

    where = f"http://127.0.0.1:{port}"
    wanted = {
        "worker": (["worker", app], serving_line(app)),
        "endpoint": (
            ["serve", app, "--port", str(port)],
            listening_line(app, where),
        ),
    }
    started: list[Attended] = []
    for name, (words, ready) in wanted.items():
        started.append(Attended(words, ready, folder / name, exports))
        running.callback(started[-1].stop)
    for one in started:
        one.wait_ready()
    return started


def _answer(
    stack: Stack,
    exports: Mapping[str, str],
    attended: Sequence[Attended],
    app: str | None,
    *,
    as_json: bool,
) -> None:
    facts = {
        "temporal": stack.temporal_address,
        "namespace": stack.namespace,
        "page": stack.ui_url,
        "ledger": stack.ledger_url,
        "s3": stack.s3_endpoint,
        "folder": None if stack.folder is None else str(stack.folder),
        "app": app,
        "worker_log": str(attended[0].log) if attended else None,
        "callbacks": exports.get(_CALLBACKS),
    }
    if as_json:
        emit({**facts, "environment": dict(exports)})
        return
    for name, value in facts.items():
        say(f"{name.replace('_', ' '):<12}{'-' if value is None else value}")
    say("\nIn another terminal:\n")
    for name, value in exports.items():
        say(f"  export {name}={quote(value)}")
    say("\nCtrl-C stops everything.")


def _attend(stack: Stack, attended: Sequence[Attended]) -> NoReturn:
    while True:
        for server in stack.servers:
            if not server.running:
                raise ConfigurationError(
                    problems=[
                        f"{server.name} has ended; its log is in {server.folder}."
                    ]
                )
        for one in attended:
            one.attend()
        time.sleep(_LOOK_EVERY)
