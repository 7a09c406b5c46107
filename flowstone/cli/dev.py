"""The embedded stack and a worker, for as long as somebody works with them."""

from __future__ import annotations

import os
import secrets
import signal
import time
from collections.abc import Generator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from flowstone.cli.parameters import AsJson, OptionalApp
from flowstone.cli.show import emit, say
from flowstone.core.errors import ConfigurationError

if TYPE_CHECKING:
    from flowstone.cli.attending import Attended
    from flowstone.stack import Stack

__all__ = ["dev"]

_LOOK_EVERY = 0.2
_KEYS = "FLOWSTONE_SIGNING_KEYS"

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
    """Run Temporal, PostgreSQL, S3 if asked for, and a worker, until Ctrl-C.

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
            worker = _worker(app, folder, exports, running)
            _answer(stack, exports, worker, app, as_json=as_json)
            _attend(stack, worker)
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


def _worker(
    app: str | None, folder: Path, exports: Mapping[str, str], running: ExitStack
) -> Attended | None:
    if app is None:
        return None
    from flowstone.cli.attending import Attended

    worker = Attended(app, folder.resolve() / "worker", exports)
    running.callback(worker.stop)
    worker.wait_ready()
    return worker


def _answer(
    stack: Stack,
    exports: Mapping[str, str],
    worker: Attended | None,
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
        "worker_log": None if worker is None else str(worker.log),
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


def _attend(stack: Stack, worker: Attended | None) -> NoReturn:
    while True:
        for server in stack.servers:
            if not server.running:
                raise ConfigurationError(
                    problems=[
                        f"{server.name} has ended; its log is in {server.folder}."
                    ]
                )
        if worker is not None:
            worker.attend()
        time.sleep(_LOOK_EVERY)
