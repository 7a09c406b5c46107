"""A chain of assets that can be made to take their worker down.

The environment names the app, where its functions write that they ran, and which of
them kills or freezes its process, or raises.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from flowstone import Flowstone, Pipeline, PostgresIO, Retry, SqlLedger, asset
from flowstone.settings import Secrets

KEYS = Secrets({"test": b"a secret of the tests"})


def ran(name: str) -> None:
    """Write down that a function ran, and do to its process what was asked."""
    log = os.environ.get("CRASHY_LOG")
    if log:
        with Path(log).open("a") as file:
            file.write(f"{name}\n")
    if os.environ.get("CRASHY_KILL_IN") == name:
        os.kill(os.getpid(), signal.SIGKILL)
    if os.environ.get("CRASHY_FREEZE_IN") == name:
        os.kill(os.getpid(), signal.SIGSTOP)
    slow = os.environ.get("CRASHY_SLOW_IN", "").partition(":")
    if slow[0] == name:
        time.sleep(float(slow[2]))


@asset
def first() -> list[str]:
    ran("first")
    return ["first"]


@asset
def second(first: list[str]) -> list[str]:
    ran("second")
    return [*first, "second"]


@asset
def third(second: list[str]) -> list[str]:
    ran("third")
    return [*second, "third"]


@asset
def side(first: list[str]) -> list[str]:
    ran("side")
    return [*first, "side"]


@asset
def last(third: list[str], side: list[str]) -> list[str]:
    ran("last")
    return [*third, *side, "last"]


@asset
def dashboard(third: list[str]) -> str:
    ran("dashboard")
    return "/".join(third)


@asset(retry=Retry(attempts=3))
def hopeless() -> int:
    ran("hopeless")
    message = "it never works"
    raise ValueError(message)


MADE = ["first", "second", "third", "first", "side", "last"]
PIPELINE = Pipeline(first, second, third, side, last, dashboard, hopeless)


def make_app(name: str, url: str) -> Flowstone:
    """Make the app on a Postgres."""
    return Flowstone(
        name,
        PIPELINE,
        io={"default": PostgresIO(url)},
        ledger=SqlLedger(url),
        secrets=KEYS,
    )


app = make_app(
    os.environ.get("CRASHY_NAME", "crashy"),
    os.environ.get("FLOWSTONE_LEDGER_URL", "postgresql://nobody@127.0.0.1:1/none"),
)
