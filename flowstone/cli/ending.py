"""How a command ends: what it says of an error, and its exit status.

| status | meaning |
|---|---|
| 0 | done |
| 1 | a run failed, or `doctor` found what fails |
| 2 | nothing was done: refused, misused, or not configured |
| 130 | interrupted |
"""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from typing import NoReturn

import typer

from flowstone.cli.line import Line
from flowstone.core.errors import ConfigurationError, FlowstoneError, RunError

__all__ = [
    "FAILED",
    "INTERRUPTED",
    "REFUSED",
    "Interrupted",
    "error_data",
    "leave",
    "misuse",
    "report",
]

FAILED = 1
REFUSED = 2
INTERRUPTED = 130


class Interrupted(Exception):
    """Somebody pressed Ctrl-C.

    Args:
        run_id: the run that was waited for, if any.
        app: the app in which it goes on; left out, it was cancelled.
    """

    def __init__(self, *, run_id: str = "", app: str = "") -> None:
        super().__init__(run_id, app)
        self.run_id = run_id
        self.app = app

    def __str__(self) -> str:
        run = self.run_id
        if not run:
            return "interrupted"
        if not self.app:
            return f"interrupted; run {run} was cancelled"
        return (
            f"detached; run {run} goes on. `flowstone runs wait {self.app} {run}` "
            f"waits for it, `flowstone runs cancel {self.app} {run}` cancels it."
        )


def misuse(what: str, *words: str) -> typer.BadParameter:
    """Give the error of options that cannot be used so."""
    return typer.BadParameter(what, param_hint=", ".join(words) or None)


def report(error: BaseException, line: Line) -> int:
    """Say what went wrong, and give the exit status."""
    error = _plainer(error)
    if isinstance(error, typer.TyperException) and not error.format_message():
        return REFUSED  # no command was named, and the help was shown
    if line.debug:
        _show_traceback(error)
    if line.json:
        typer.echo(json.dumps({"error": error_data(error)}, indent=2, default=str))
    else:
        typer.echo(f"error: {_sentence(error)}", err=True)
    match error:
        case Interrupted():
            return INTERRUPTED
        case FlowstoneError() if not isinstance(error, RunError):
            return REFUSED
        case typer.TyperException():
            return REFUSED
        case _:
            return FAILED


def error_data(error: BaseException) -> dict[str, object]:
    """Give an error as JSON has it: its type, its message, and its own fields."""
    if isinstance(error, FlowstoneError):
        return {**error.to_data(), "message": error.message}
    if isinstance(error, typer.TyperException):
        return {"type": "UsageError", "message": _sentence(error)}
    data: dict[str, object] = {"type": type(error).__name__, "message": str(error)}
    if isinstance(error, Interrupted):
        data["run_id"] = error.run_id
    return data


def leave(status: int) -> NoReturn:
    """End the process: the only place where it does.

    Temporal's client has threads that outlive it and abort an interpreter that is
    being torn down; where it was loaded, nothing is torn down.
    """
    loaded = "temporalio" in sys.modules
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # who read it has gone
            loaded = True  # the interpreter would complain on its way out
    if loaded:
        os._exit(status)
    sys.exit(status)


def _plainer(error: BaseException) -> BaseException:
    """Name a server that went away in words of this house."""
    origin, kind = type(error).__module__.partition(".")[0], type(error).__name__
    reason = " ".join(str(getattr(error, "orig", None) or error).split())
    if origin in {"sqlalchemy", "psycopg"} and kind == "OperationalError":
        problem = f"The ledger does not answer: {reason}"
    elif origin == "temporalio" and kind == "RPCError":
        problem = f"Temporal does not answer: {reason}"
    else:
        return error
    plainer = ConfigurationError(problems=[problem])
    plainer.__cause__ = error
    return plainer


def _sentence(error: BaseException) -> str:
    if isinstance(error, RunError):
        return " ".join(error.message.split())
    if isinstance(error, FlowstoneError):
        return error.message  # all problems at once, each on its line
    if isinstance(error, Interrupted):
        return str(error)
    if isinstance(error, typer.TyperException):
        return _usage(error)
    what = " ".join(str(error).split())
    named = f"{type(error).__name__}: {what}" if what else type(error).__name__
    return f"{named} (--debug shows the traceback)"


def _usage(error: typer.TyperException) -> str:
    words = " ".join(error.format_message().split())
    path = getattr(getattr(error, "ctx", None), "command_path", "")
    hint = f"; `{path} --help` tells more." if path else "."
    return f"{words.rstrip('.')}{hint}"


def _show_traceback(error: BaseException) -> None:
    traceback.print_exception(error)
    details = getattr(error, "details", "") or getattr(
        getattr(error, "cause", None), "details", ""
    )
    if details:
        typer.echo(details, err=True)
