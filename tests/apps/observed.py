"""An app whose assets end in every way, and whose worker writes down what it is told."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from flowstone import (
    HOUR,
    Context,
    Flowstone,
    Pipeline,
    Retry,
    Signal,
    Skip,
    Snooze,
    asset,
    telemetry,
)
from flowstone.telemetry import Event

SHORT = timedelta(milliseconds=100)


@asset
def raw() -> list[int]:
    return [3, 1, 2]


@asset
async def cleaned(raw: list[int]) -> list[int]:
    return sorted(raw)


@asset
def skipped(raw: list[int]) -> int | Skip:
    return Skip("nothing today")


@asset
def report(cleaned: list[int], raw: list[int], skipped: int | None = None) -> str:
    return f"{len(cleaned)} of {len(raw)}, {skipped}"


@asset(retry=Retry(attempts=2, delay=SHORT))
def failing(cleaned: list[int]) -> int:
    message = "no such row"
    raise LookupError(message)


@asset
def blocked(failing: int) -> int:
    return failing


@asset
def unanswered(raw: list[int]) -> int | Signal[int]:
    return Signal(timeout=SHORT)


@asset
def waiting(raw: list[int]) -> int | Signal[int]:
    return Signal(timeout=timedelta(days=30))


@asset
def answered(raw: list[int], ctx: Context) -> int | Signal[int]:
    ctx.log.info("the token is %s", ctx.token)
    return Signal(timeout=timedelta(days=30))


@answered.on_signal
def take_answer(payload: int, raw: list[int]) -> int:
    return payload + len(raw)


@asset(retry=Retry(attempts=3, delay=HOUR, max_delay=2 * HOUR))
def flaky(ctx: Context) -> int:
    if ctx.attempt < 3:
        message = "not yet"
        raise ConnectionError(message)
    return ctx.attempt


@asset
def sleepy(ctx: Context) -> int | Snooze:
    folder = Path(os.environ["OBSERVED_FOLDER"])
    marker = folder / f"snoozed-{ctx.run_id}-{ctx.partition}"
    if not marker.exists():
        marker.touch()
        return Snooze(timedelta(days=7))
    return 7


PIPELINE = Pipeline(
    raw,
    cleaned,
    skipped,
    report,
    failing,
    blocked,
    unanswered,
    waiting,
    answered,
    flaky,
    sleepy,
)


def writer(path: Path) -> Callable[[Event], None]:
    """Give a handler that writes each event down, as a line, before it goes on."""

    def write(event: Event) -> None:
        line = json.dumps([event.name, event.asset, event.key, event.outcome])
        with path.open("a") as file:
            file.write(f"{line}\n")

    return write


if os.environ.get("OBSERVED_LOG"):
    telemetry.attach(writer(Path(os.environ["OBSERVED_LOG"])))

app = Flowstone("observed", PIPELINE)
